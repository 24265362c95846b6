export { getUser } from './get-user.ts'
export { getUserStats } from './get-user-stats.ts'
export { listUsers } from './list-users.ts'
export { listUsersByRole } from './list-users-by-role.ts'
