/**
 * Expressions for times that several processes judge. The clocks of processes differ, so the database's decides: in
 * update pipelines and `$expr`, `$$NOW` is the time of the server.
 */

/** The time in `ms` from now. */
export const inMs = (ms: number) => ({ $add: ['$$NOW', ms] })

/**
 * Whether a claim that ends at `field` is over or was never made. The members of a replica set have clocks as well: a
 * claim that ends later than one of `lifetimeMs` can was made by a clock that was wrong, and is over.
 */
export const isOver = (field: string, lifetimeMs: number) => ({
  $not: [{ $and: [{ $gt: [field, '$$NOW'] }, { $lte: [field, inMs(lifetimeMs)] }] }],
})
