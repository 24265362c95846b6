import type { MongoClient } from 'mongodb'
import { Histogram } from 'prom-client'
import { gauges, type Measured } from './gauges.ts'

/** Measures the connections of a client from its first event on, and shows them from `start` to `close`. */
export function measurePool(client: MongoClient): Measured {
  const pool = { total: 0, used: 0, pending: 0, max: client.options.maxPoolSize }
  client.on('connectionCreated', () => pool.total++)
  client.on('connectionClosed', () => pool.total--)
  client.on('connectionCheckOutStarted', () => pool.pending++)
  client.on('connectionCheckOutFailed', () => pool.pending--)
  const inUse = new Map<string, () => void>()
  client.on('connectionCheckedOut', ({ address, connectionId, durationMS }) => {
    pool.pending--
    pool.used++
    waits.observe(durationMS / 1_000)
    inUse.set(`${address} ${connectionId}`, uses.startTimer())
  })
  client.on('connectionCheckedIn', ({ address, connectionId }) => {
    pool.used--
    inUse.get(`${address} ${connectionId}`)?.()
    inUse.delete(`${address} ${connectionId}`)
  })
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
// The driver's command monitoring (7.9) would name the commands, but deserializes each answer a second time: a `find`
// of 100 documents then takes half as much processor time again.
const uses = new Histogram({
  name: 'db_client_connection_use_time_seconds',
  help: 'Time for which an operation used a connection to MongoDB: from sending a command until its answer',
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
})
