import { createRequire } from 'node:module'
import type { MongoClient } from 'mongodb'
import { Histogram } from 'prom-client'
import { gauges, type Measured } from '../process/gauges.ts'

/** Measures the connections of a client from its first event on, and shows them from `start` to `close`. */
export function measurePool(client: MongoClient): Measured {
  const pool = { total: 0, used: 0, pending: 0, max: client.options.maxPoolSize }
  client.on('connectionCreated', () => pool.total++)
  client.on('connectionClosed', () => pool.total--)
  client.on('connectionCheckOutStarted', () => pool.pending++)
  client.on('connectionCheckOutFailed', () => pool.pending--)
  client.on('connectionCheckedOut', ({ durationMS }) => {
    pool.pending--
    pool.used++
    waits.observe(durationMS / 1_000)
  })
  client.on('connectionCheckedIn', () => pool.used--)
  return measured(pool)
}

const measured = gauges(
  {
    db_client_connection_count: { help: 'Connections to MongoDB', label: 'state' },
    db_client_connection_max: 'Maximum number of connections to one server of MongoDB',
    db_client_connection_pending_requests: 'Operations that wait for a connection to MongoDB',
  },
  ({ total, used, pending, max }: { total: number; used: number; pending: number; max: number }) => ({
    db_client_connection_count: { used, idle: total - used },
    db_client_connection_max: max,
    db_client_connection_pending_requests: pending,
  }),
)

const waits = new Histogram({
  name: 'db_client_connection_wait_time_seconds',
  help: 'Time until an operation had a connection to MongoDB',
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
})
const durations = new Histogram({
  name: 'db_client_operation_duration_seconds',
  help: 'Time from sending a command to MongoDB until its answer',
  labelNames: ['db_operation_name', 'outcome'],
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
})
const operations = new Set(['aggregate', 'delete', 'find', 'findAndModify', 'getMore', 'insert', 'update'])
for (const db_operation_name of [...operations, 'other'])
  for (const outcome of ['success', 'failure']) durations.zero({ db_operation_name, outcome })

/**
 * Wraps what sends each command. The driver's own command monitoring (7.9) deserializes each answer a second time: a
 * `find` of 100 documents then takes half as much processor time again.
 */
type Send = (this: unknown, namespace: unknown, command: object, ...more: unknown[]) => Promise<unknown>
const { Connection } = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js') as {
  Connection: { prototype: { command: Send } }
}
const { command: send } = Connection.prototype
Connection.prototype.command = async function (namespace, command, ...more) {
  const [name = ''] = Object.keys(command)
  const observe = durations.startTimer({ db_operation_name: operations.has(name) ? name : 'other' })
  try {
    const answer = await send.call(this, namespace, command, ...more)
    observe({ outcome: 'success' })
    return answer
  } catch (error) {
    observe({ outcome: 'failure' })
    throw error
  }
}
