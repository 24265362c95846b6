import { commandAndEvent } from './command-and-event.ts'
import { erasure } from './erasure.ts'
import { lag } from './lag.ts'
import { natsHangs } from './nats-hangs.ts'
import { poisonEvent } from './poison-event.ts'
import { projectorDies } from './projector-dies.ts'
import { readYourWrites } from './read-your-writes.ts'
import { rebuild } from './rebuild.ts'
import type { Step } from './step.ts'

/** The tour, in its order. */
export const steps: Step[] = [
  commandAndEvent,
  lag,
  readYourWrites,
  projectorDies,
  natsHangs,
  poisonEvent,
  rebuild,
  erasure,
]
