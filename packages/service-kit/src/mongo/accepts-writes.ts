import type { Check } from '../http/health.ts'
import { codeOf, type PatientMongoClient } from './client.ts'
import { leasesCollection } from './lease.ts'

/**
 * The check for `/readyz` that the database responds and accepts majority writes: a ping also succeeds without rights,
 * without a majority, or on a full disk. It writes one small document that all processes share, at most every 3 s.
 * Until the next result the last one counts, so that a slow write of a busy process does not take it out of service.
 * @param isSetUp whether `migrate` has created the collections; before, it only pings
 */
export function acceptsWrites(mongo: PatientMongoClient, isSetUp: () => boolean): Check {
  const probes = mongo.db().collection<{ _id: string }>(leasesCollection.name)
  let probedAt = Number.NEGATIVE_INFINITY
  let probing: Promise<boolean> | undefined
  let last: boolean | undefined
  let reason: string | undefined

  const probe = async (): Promise<boolean> => {
    probedAt = performance.now()
    try {
      await probes.updateOne({ _id: 'readiness' }, { $currentDate: { at: true } }, options)
      reason = undefined
    } catch (error) {
      reason = `MongoDB does not accept writes: ${codeOf(error)}`
    }
    probing = undefined
    last = reason === undefined
    return last
  }
  return {
    required: true,
    isUp: async () => {
      if (!(await mongo.answers(mongo.db().command({ ping: 1 })))) return false
      if (!isSetUp()) return true
      if (performance.now() - probedAt > everyMs) probing ??= probe()
      return last ?? probing ?? false
    },
    reasons: () => [...mongo.reasons, ...(reason ? [reason] : [])],
  }
}

const options = { upsert: true, writeConcern: { w: 'majority', wtimeoutMS: 2_000 } } as const
const everyMs = 3_000
