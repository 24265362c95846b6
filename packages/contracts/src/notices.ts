/**
 * Notices are plain NATS messages: hints that save someone a wait, never a thing to rely on. Who misses one learns of
 * the change later.
 */
export type AppliedNotice = { applied: Applied[] }

/** `tokensFromVersion` is left out where none of the user's tokens was ever revoked. */
export type Applied = [userId: string, version: number, tokensFromVersion?: number]

/**
 * Where the projector says, after each batch, which users a read model (`users_read`) now holds in these versions or
 * higher ones.
 */
export const appliedSubject = (readModel: string): string => `${readModel}.applied`
