import { Refusal, type Role } from '@cqrs/contracts'

export type Caller = { id: string; roles: string[] }

/** Whether the caller may change the user with this id. It depends on no state, so it is asked before the look-up. */
export type Permission = (id: string, caller: Caller) => boolean

export const self: Permission = (id, caller) => caller.id === id
export const admin: Permission = (_id, caller) => caller.roles.includes('admin')
export const selfOrAdmin: Permission = (id, caller) => self(id, caller) || admin(id, caller)

/** Only an admin grants the role admin, and not to itself. @throws Refusal `role-not-allowed` */
export function refuseGranting(roles: Role[], id?: string, caller?: Caller): void {
  const byAnotherAdmin = caller?.roles.includes('admin') && caller.id !== id
  if (roles.includes('admin') && !byAnotherAdmin) throw new Refusal('role-not-allowed')
}
