import { z } from 'zod'

import type { Exit } from './agent-protocol.ts'

/**
 * What may be known of a rank beside its state and exit code: why it ended, why it does not start yet, or why it is to
 * go. `unstartable`: its image is there, and what it is to run cannot be begun in it. `queued`: it stands in the line of its site. `quota`: what it may use there is used up. `turned-away`: rules of its
 * site do not let it in. `unheard`: it should have begun there, and nothing of it was heard. `unschedulable`: nothing there fits it, or may take it. `signal`: a signal ended it that nobody of ours sent.
 */
export const CauseKind = z.enum([
  'out-of-memory',
  'signal',
  'image',
  'unstartable',
  'queued',
  'quota',
  'turned-away',
  'unheard',
  'unschedulable',
  'evicted',
  'node-lost',
  'deadline',
  'preempted',
  'maintenance',
])
export type CauseKind = z.infer<typeof CauseKind>

/** A cause as whoever runs the rank tells it, without secrets. */
export const Cause = z.object({
  kind: CauseKind,
  detail: z.string().max(500).meta({ description: 'What was said about it there; empty where nothing was.' }),
  fix: z.string().max(500).optional().meta({ description: 'What helps, where more is known than by its kind.' }),
})
export type Cause = z.infer<typeof Cause>

export const causeOf = (kind: CauseKind, detail = '', fix?: string): Cause => ({
  kind,
  detail: detail.slice(0, 500),
  ...(fix === undefined ? {} : { fix: fix.slice(0, 500) }),
})

/** What the exit of a process tells by itself. */
export function causeOfExit({ signal, outOfMemory }: Pick<Exit, 'signal' | 'outOfMemory'>): Cause | null {
  if (outOfMemory) return causeOf('out-of-memory')
  return signal === null ? null : causeOf('signal', signal)
}

const said: Readonly<Record<CauseKind, string>> = {
  'out-of-memory': 'it was out of memory',
  signal: 'a signal ended it',
  image: 'its image cannot be pulled',
  unstartable: 'its container cannot be started',
  queued: 'it stands in line there',
  quota: 'what it may use there is used up',
  'turned-away': 'it is not let in there',
  unheard: 'it was not heard of',
  unschedulable: 'nothing there takes it',
  evicted: 'it was evicted',
  'node-lost': 'its node was lost',
  deadline: 'its time there was over',
  preempted: 'it was preempted there',
  maintenance: 'its node is to be maintained',
}

/** What helps; nothing where it is tried again elsewhere anyway. */
const fixes: Readonly<Partial<Record<CauseKind, string>>> = {
  'out-of-memory': 'ask for more resources.memory',
  signal: 'its log may say why',
  image: 'check the name of its image, and that the site may pull it',
  unstartable: 'check that its image has a /bin/sh, and is made for the processors of that node',
  queued: 'wait, or ask for another site',
  quota: 'wait, ask for less, or for another site',
  'turned-away': 'ask whoever owns the cluster about that rule, or for another site',
  unheard: 'see that its nodes reach the control plane: ISOBAR_LISTEN, ISOBAR_ALLOW_REMOTE, ISOBAR_ADVERTISE',
  unschedulable: 'ask for less, or for another site',
  evicted: 'ask for as much memory and disk as it uses',
  deadline: 'give it a longer duration.maximum',
}

/** In one line for people, with what helps at its end. */
export function sayCause({ kind, detail, fix = fixes[kind] }: Cause): string {
  return `${said[kind]}${detail === '' ? '' : ` (${detail})`}${fix === undefined ? '' : `; ${fix}`}`
}
