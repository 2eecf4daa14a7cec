import type { PlanView } from '#api/views.ts'
import { formatMoney, parseHourlyPrice, parseMoney, type Micros } from '#kit/money.ts'

import type { Call } from './call.ts'
import { CliFault, exitCodes } from './fault.ts'
import { ask, canAsk, note } from './io.ts'
import { planText } from './plan-text.ts'

type Asked = Pick<Call, 'flag' | 'text' | 'io' | 'format'>
/** The command line with one more option. */
type WithOption = (option: string) => string

const confirmAboveHour = '$20'
const maxCost = '--max-cost'
const confirmAboveAll = 100_000_000n

/**
 * Lets a plan through when it is cheap, within --max-cost, or when a person types what it costs; else the command ends.
 * What is compared is the expected cost, or one hour where nobody said how long it runs. Returns whether a person was
 * asked, and so saw the plan.
 */
export async function passCostGate(call: Asked, plan: PlanView, command: WithOption): Promise<boolean> {
  const hourly = BigInt(plan.pricePerHour.micros)
  const expected = plan.expectedCost === null ? null : BigInt(plan.expectedCost.micros)
  const amount = expected ?? hourly
  const limit = call.text('max-cost')
  if (limit !== undefined) {
    if (amount <= amountOf(limit, maxCost)) return false // and the server sees to it that it stays so
    throw tooDear(`this costs ${formatMoney(amount)}, and --max-cost allows ${limit}`, { amount, command, plan })
  }
  const above = amountOf(
    call.text('confirm-above') ?? (call.io.env.ISOBAR_CONFIRM_ABOVE || confirmAboveHour),
    'the limit',
  )
  if (hourly <= above && (expected === null || expected <= confirmAboveAll)) return false
  const price = `${plan.pricePerHour.text} an hour${expected === null ? '' : `, about ${formatMoney(expected)} in all`}`
  if (call.flag('yes') || !canAsk(call.io)) throw tooDear(`this costs ${price}`, { amount, command, plan })
  call.io.stderr.write(planText(call, plan, 'stderr'))
  if (expected === null)
    note(call.io, 'Nothing limits how long it runs: set budget.limit or duration.maximum in the spec to bound it.')
  const wanted = formatMoney(amount)
  const answer = await ask(call.io, `This costs ${price}. Type ${wanted} to start it: `)
  if (answer === undefined) throw new CliFault('nothing was started', { code: exitCodes.interrupted })
  if (parseMoney(answer) !== amount)
    throw new CliFault(`nothing was started: "${answer.trim()}" is not ${wanted}`, {
      code: exitCodes.overLimit,
      next: [command(maxCostFor(amount))],
    })
  return true
}

/** Where a plan is applied, with the bound that the command line sets. */
export function applyPath(call: Asked, plan: string): string {
  const limit = call.text('max-cost')
  const path = `/v1/plans/${encodeURIComponent(plan)}/apply`
  return limit === undefined ? path : `${path}?maxCostMicros=${amountOf(limit, maxCost)}`
}

function tooDear(
  what: string,
  { amount, command, plan }: { amount: Micros; command: WithOption; plan: PlanView },
): CliFault {
  return new CliFault(what, {
    code: exitCodes.overLimit,
    why: [
      'Nothing was started.',
      ...(plan.expectedCost ? [] : ['How long it runs is not known, so the price of one hour counts.']),
    ].join('\n'),
    next: [command(maxCostFor(amount))],
  })
}

/** The option that allows an amount, in whole dollars. */
const maxCostFor = (amount: Micros): string => `${maxCost} ${(amount + 999_999n) / 1_000_000n}`

function amountOf(text: string, what: string): Micros {
  const micros = parseHourlyPrice(text)
  if (typeof micros === 'bigint') return micros
  throw new CliFault(`${what}: ${micros.problem}`, { code: exitCodes.usage, next: ['isobar run --help'] })
}
