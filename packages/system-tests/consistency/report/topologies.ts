import type { HistoryRecord } from '../record.ts'

/** What runs where, as docs/consistency.md draws it. */
export const topologies: Record<HistoryRecord['topology'], { words: string; drawing: string }> = {
  'one machine': {
    words: 'Every process runs on one machine. The read database has three nodes, the write database and NATS one.',
    drawing: `
16 clients ─┬─► gateway ─┬─► command-api 1, 2 ────────► MongoDB (write), 1 node
            │            │            │ relay
            └────────────┤            ▼
              directly   │   NATS JetStream, 1 node ──► projector 1, 2 ──► mail server
                         │                                  │
                         └─► query-api 1, 2 ◄── primary ────┤
                             query-api 3 ◄── secondaries ── MongoDB (read), 3 nodes`.trim(),
  },
  'hosts of their own': {
    words: `Databases, brokers and services run in network namespaces of one machine, each with an address of its own,
      so that what goes from one to another can be cut, in one direction as well.`,
    drawing: `
16 clients ─┬─► gateway ─┬─► command-api 1, 2 ────────► MongoDB (write), 3 nodes
            │            │            │ relay
            └────────────┤            ▼
              directly   │   NATS JetStream, 3 nodes ─► projector 1, 2 ──► mail server
                         │   (3 copies)                     │
                         └─► query-api 1, 2 ◄── primary ────┤
                             query-api 3 ◄── secondaries ── MongoDB (read), 3 nodes`.trim(),
  },
}
