import { readFileSync } from 'node:fs'

/** Source that is changed as it is loaded, in control planes and their agents. What is sought stands there once. */
export type Edit = { file: string; from: string; to: string }

/** A fault of the product, put there on purpose: a round that stays green with it sees nothing. */
export type Planted = { round: string; workloads?: number; edits: Edit[]; says: RegExp }

/** Faults that peers of Isobar have or had, and one of each kind that a round looks for. */
export const planted: Record<string, Planted> = {
  'what was submitted is answered before it is written': {
    round: 'control-plane',
    edits: [
      {
        file: 'src/store/queries/workloads.ts',
        from: 'submit: (workloads, now) => database.write((on) => submit(on, workloads, now)),',
        to: 'submit: async (workloads, now) => void setTimeout(() => void database.write((on) => submit(on, workloads, now)), 700),',
      },
    ],
    says: /: 0 workloads of that name/,
  },
  'an agent that nobody answers ends its rank': {
    round: 'thousand', // its jobs are all live when the control plane dies
    workloads: 4,
    edits: [
      {
        file: 'src/agent/agent.ts',
        from: "if (reply.kind === 'aborted') continue",
        to: "if (reply.kind === 'aborted') continue\n    if (reply.kind === 'away') break",
      },
    ],
    says: /^0 of \d+ jobs are live after|: failed with 137, expected/,
  },
  'a lease is billed a micro-dollar too much': {
    round: 'control-plane',
    edits: [
      {
        file: 'src/engine/metering/meter.ts',
        from: 'costMicros(price, to - start) - costMicros(price, from - start)',
        to: 'costMicros(price, to - start) - costMicros(price, from - start) + 1n',
      },
    ],
    says: /is billed \d+ micro-dollars, and \d+ are due/,
  },
  'keys of requests are forgotten': {
    round: 'control-plane',
    edits: [
      {
        file: 'src/store/queries/idempotency.ts',
        from: "if (begun.length > 0) return 'new'",
        to: "if (begun.length >= 0) return 'new'",
      },
      {
        file: 'src/api/idempotency.ts',
        from: 'string | null => (key ? `${path} ${key}` : null)',
        to: 'string | null => (key === path ? path : null)',
      },
      {
        // Slow, so that control planes die between what they did and their answer.
        file: 'src/api/idempotency.ts',
        from: 'await keep(house, key, c.res)',
        to: 'await new Promise((resolve) => setTimeout(resolve, 1_500))\n      await keep(house, key, c.res)',
      },
    ],
    says: /: [2-9] workloads of that name/,
  },
  'what a dead control plane had in hand is taken up by nobody': {
    round: 'control-plane',
    edits: [
      {
        file: 'src/store/queries/operations.ts',
        from: 'and (p.claimed_until is null or p.claimed_until < clock_timestamp())\n        and ${kind',
        to: 'and p.claimed_until is null\n        and ${kind',
      },
      {
        file: 'src/reconcilers/launch.ts',
        from: '    // False: somebody else has the operation by now',
        to: '    await new Promise((resolve) => setTimeout(resolve, 500))\n    // False: somebody else has the operation by now',
      },
    ],
    says: /launch of .* is open after/,
  },
}

const root = new URL('../../', import.meta.url)

/** Tells Node to plant a fault in every process that is started from now on; returns what takes it back. */
export function plant(fault: string): () => void {
  for (const edit of planted[fault]?.edits ?? []) changed(edit, readFileSync(new URL(edit.file, root), 'utf8'))
  const { NODE_OPTIONS: before } = process.env
  process.env['NODE_OPTIONS'] = `--import ${new URL('plant.ts', import.meta.url).href}`
  process.env['TORTURE_PLANTED'] = fault
  return () => {
    delete process.env['TORTURE_PLANTED']
    if (before === undefined) delete process.env['NODE_OPTIONS']
    else process.env['NODE_OPTIONS'] = before
  }
}

/** The source with the fault in it. */
export function changed({ file, from, to }: Edit, source: string): string {
  const parts = source.split(from)
  if (parts.length !== 2) throw new Error(`no fault can be planted: ${file} has ${parts.length - 1} times: ${from}`)
  return parts.join(to)
}

/** Agents see little of our environment: what plants a fault in them has to be passed on. */
export const passedOn: Edit = {
  file: 'src/providers/local/launch.ts',
  from: 'env: { ...publicEnvironment(process.env), [leaseTag]: token },',
  to: "env: { ...publicEnvironment(process.env), [leaseTag]: token, NODE_OPTIONS: process.env['NODE_OPTIONS'], TORTURE_PLANTED: process.env['TORTURE_PLANTED'] },",
}
