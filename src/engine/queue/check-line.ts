import type { CellPlan } from '#engine/cell/cell.ts'

import type { Amounts, QuotaNode } from './quota.ts'
import type { Option, Request } from './request.ts'

/** All that happened in a queue, in order. */
export type Happened =
  | { at: number; submitted: Request }
  | { at: number; started: string; option: number; ranks: number[] }
  | { at: number; promised: string; by: number }
  | { at: number; ended: string }

export type World = { plans: readonly CellPlan[]; quotas: readonly QuotaNode[]; overdueMs: number }
export type Run = { request: Request; option: Option; ranks: number[] }

/**
 * Looks at all that happened and tells what must not have: a node used twice, a gang not whole, a quota broken, a row not
 * in order, a promise not kept, somebody who waited beyond all bounds. Slow and plain; it shares no code with the queue.
 * (Promises hold, and waiting is bounded, where all end when they are known to and no node fails.)
 */
export function checkLine(history: readonly Happened[], world: World): string[] {
  const wrong: string[] = []
  const requests = new Map<string, Request>()
  const running = new Map<string, Run>()
  const waiting: Request[] = []
  const promises = new Map<string, number>()
  for (const event of history) {
    if ('submitted' in event) {
      requests.set(event.submitted.id, event.submitted)
      waiting.push(event.submitted)
    } else if ('ended' in event) running.delete(event.ended)
    else if ('promised' in event)
      promises.set(event.promised, Math.min(event.by, promises.get(event.promised) ?? event.by))
    else {
      const request = requests.get(event.started)
      if (!request || !waiting.includes(request)) {
        wrong.push(`${event.started} started, but did not wait`)
        continue
      }
      if (waiting.find(({ want }) => want.key === request.want.key) !== request)
        wrong.push(`${request.id} started before one that waits for the same and came first`)
      if (event.at > (promises.get(request.id) ?? Infinity)) wrong.push(`${request.id} started later than promised`)
      const bound = latest(request, [...requests.values()], world.overdueMs)
      if (event.at > bound) wrong.push(`${request.id} waited until ${event.at}, longer than ${bound}`)
      waiting.splice(waiting.indexOf(request), 1)
      const option = request.want.options[event.option]
      if (option) running.set(request.id, { request, option, ranks: event.ranks })
      else wrong.push(`${request.id} has no option ${event.option}`)
      wrong.push(...overfull([...running.values()], world), ...overQuota([...running.values()], world.quotas))
    }
  }
  return wrong
}

/**
 * When a request must have started: once it is overdue, only those that came before it and the promise that was already
 * given go before it, and each of them is over after it waited for all who run and then ran itself.
 */
function latest(request: Request, all: Request[], overdueMs: number): number {
  const before = all.slice(0, all.indexOf(request)).length
  const longest = Math.max(...all.map(({ lastsMs }) => lastsMs))
  return request.since + overdueMs + 2 * (before + 2) * longest
}

export function overfull(running: Run[], { plans }: World): string[] {
  const wrong: string[] = []
  const used = new Map<string, number>()
  const alone = new Map<string, string>()
  for (const { request, option, ranks } of running) {
    const { cell, gang } = option
    const sizes = gang.roles.flatMap((role) => Array.from({ length: role.ranks }, () => role.size))
    if (sizes.length !== ranks.length) wrong.push(`${request.id} is not whole`)
    ranks.forEach((node, rank) => {
      const at = `${cell}/${node}`
      used.set(at, (used.get(at) ?? 0) + (sizes[rank]?.accelerators ?? 0))
      const plan = plans[cell]
      if ((used.get(at) ?? 0) > (plan?.classes[plan.classOf[node] ?? 0]?.accelerators ?? 0))
        wrong.push(`node ${at} is used twice`)
    })
    const { exclusive } = gang
    if (exclusive !== undefined)
      for (const node of ranks) alone.set(`${cell}/${domainOf(plans[cell], node, exclusive)}`, request.id)
  }
  for (const { request, option, ranks } of running)
    for (const node of ranks)
      for (const level of [0, 1]) {
        const owner = alone.get(`${option.cell}/${domainOf(plans[option.cell], node, level)}`)
        if (owner && owner !== request.id) wrong.push(`${request.id} is where ${owner} is to be alone`)
      }
  return wrong
}

const domainOf = (plan: CellPlan | undefined, node: number, level: number): string =>
  `${level} ${level === 0 ? node : plan?.domains[level - 1]?.[node]}`

export function overQuota(running: Run[], quotas: readonly QuotaNode[]): string[] {
  const held = (name: string) =>
    running.filter(({ request }) => request.want.project === name).map(({ option }) => option.amounts['gpu'] ?? 0)
  const children = (name: string) => quotas.filter(({ parent }) => parent === name)
  const quotaOf = (node: QuotaNode): number =>
    (node.nominal['gpu'] ?? 0) + sum(children(node.name).map((child) => Math.min(quotaOf(child), of(child.lending))))
  const keptOf = (node: QuotaNode) => (node.parent === null ? 0 : Math.max(0, quotaOf(node) - of(node.lending)))
  const usedOf = (node: QuotaNode): number =>
    sum(held(node.name)) + sum(children(node.name).map((child) => Math.max(0, usedOf(child) - keptOf(child))))
  return quotas
    .filter((node) => usedOf(node) > quotaOf(node) + (node.parent === null ? 0 : of(node.borrowing)))
    .map(({ name }) => `the quota of ${name} is broken`)
}

const of = (amounts: Amounts): number => amounts['gpu'] ?? Infinity
const sum = (amounts: number[]): number => amounts.reduce((a, b) => a + b, 0)
