import { z } from 'zod'

export const MoneyView = z
  .object({
    micros: z.string().meta({ description: 'Millionths of a US dollar, as a decimal string: it may be beyond 2^53.' }),
    text: z.string().meta({ description: 'For people, such as $1.25.' }),
  })
  .meta({ id: 'Money', description: 'An exact amount of US dollars.' })
export type MoneyView = z.infer<typeof MoneyView>

export const candidate = { site: z.string(), tier: z.string(), shape: z.string() }

export const RunView = z
  .object({
    cost: MoneyView.meta({ description: 'What the whole run is expected to cost that would not be paid without it.' }),
    egress: MoneyView.meta({ description: 'Part of it: data that leaves another site.' }),
    losses: MoneyView.meta({ description: 'Part of it: nodes that are taken away, and what is done again.' }),
    scarcity: MoneyView.meta({ description: 'What others who wait would give for the nodes; no part of the cost.' }),
    lastsMs: z.int(),
    isHour: z.boolean().meta({ description: 'The spec does not say how long it runs: one hour stands for it.' }),
    usesCommitment: z.boolean().meta({ description: 'Some of its nodes are paid for anyway.' }),
    unpriced: z
      .array(z.string())
      .optional()
      .meta({ description: 'Sites that data leaves for a price that nobody has told; no part of the cost.' }),
  })
  .meta({ id: 'Run' })
export type RunView = z.infer<typeof RunView>

export const DeadlineView = z
  .object({
    does: z.enum(['spot', 'on-demand', 'wait']).meta({ description: 'Where it runs, or that it waits.' }),
    takenPpm: z
      .int()
      .optional()
      .meta({ description: 'How likely its spot capacity is lost within an hour, in millionths; absent without any.' }),
    expected: MoneyView.meta({ description: 'What it is expected to pay from now on.' }),
    lasting: MoneyView.meta({ description: 'What it would pay where nobody takes its nodes away.' }),
    workMs: z.int().meta({ description: 'Work that is left.' }),
    latest: z.iso
      .datetime()
      .meta({ description: 'When it must start at the latest where nobody takes its nodes away.' }),
    text: z.string().meta({ description: 'All of it in a sentence for people.' }),
  })
  .meta({ id: 'DeadlineChoice', description: 'What the plan for a deadline chose.' })
export type DeadlineView = z.infer<typeof DeadlineView>

export const RuleCostView = z
  .object({
    ...candidate,
    rule: z.string(),
    detail: z.string(),
    saved: MoneyView.meta({ description: 'How much less the run would cost there.' }),
    text: z.string().meta({ description: 'All of it in a sentence for people.' }),
  })
  .meta({ id: 'RuleCost', description: 'The cheapest candidate that a rule alone refuses.' })
