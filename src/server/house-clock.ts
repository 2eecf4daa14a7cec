import { join } from 'node:path'

import { z } from 'zod'

import { createClock, newAnchor, type Clock, type ClockAnchor } from '#kit/clock.ts'
import { bootId } from './process-birth.ts'
import { readStateJson, writeState } from './state-file.ts'

const Anchor = z.object({ bootId: z.string().min(1), monotonicMs: z.number(), wallMs: z.number() })

/**
 * The clock of a control plane. It goes on from where the earlier process on the same boot was, so that a wall clock
 * that was set while no server ran bills nothing that nobody used.
 */
export function openClock(home: string): Clock {
  const path = join(home, 'clock.json')
  const boot = bootId()
  const kept = Anchor.safeParse(readStateJson(path))
  if (kept.success && kept.data.bootId === boot) return createClock(kept.data)
  const anchor: ClockAnchor = newAnchor(boot)
  if (boot !== '') writeState(path, `${JSON.stringify(anchor)}\n`)
  return createClock(anchor)
}
