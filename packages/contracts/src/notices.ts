/**
 * A plain NATS message that tells which users a read model has just advanced. It only shortens waits: a subscriber that
 * misses one learns of the change later.
 */
export type AppliedNotice = { applied: Applied[] }

/** `tokensFromVersion` is absent if none of the user's tokens was ever revoked. */
export type Applied = [userId: string, version: number, tokensFromVersion?: number]

/** The subject of the notices that the projector publishes after each batch of a shape, such as `users_read_v1`. */
export const appliedSubject = (shape: string): string => `${shape}.applied`
