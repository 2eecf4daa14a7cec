import { randomUUID } from 'node:crypto'
import { link, mkdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { copyIntoLog } from '#kit/bounded-log.ts'
import { writeDurably } from '#kit/durable-file.ts'
import { agentFiles, mostOutputBytes, type StopOrder } from '#model/agent-folder.ts'
import { type GangClaim, gangFiles, type GangNodes, type GangOrder } from '#model/gang-folder.ts'
import type { GangAsk, RelayedGang } from '#model/gang-relay.ts'
import { isThere, readJson } from '#providers/kept-folder.ts'

import { claimedAt, type SiteFolder } from './site-folder.ts'

const nothing: RelayedGang = { known: false, order: null, nodes: null, stop: null, claimedAt: null }

/**
 * Does in the folder of a gang what its job would do there if it saw it. Who has the claim is decided by a link of that
 * folder, as everywhere: of two jobs that ask, at whichever control planes, one has it.
 */
export async function answerGang(folder: SiteFolder, token: string, question: GangAsk): Promise<RelayedGang> {
  const path = folder.order(token)
  const order = await readJson<GangOrder>(join(path, gangFiles.order))
  if (!order) return nothing
  try {
    return await answer(path, order, question)
  } catch (error) {
    if (!(await isThere(join(path, gangFiles.order)))) return nothing // it was retired meanwhile
    throw error
  }
}

async function answer(path: string, order: GangOrder, question: GangAsk): Promise<RelayedGang> {
  const known = { ...nothing, known: true }
  switch (question.ask) {
    case 'claim':
      return { ...known, ...(await claim(path, order, question)) }
    case 'lead':
      if (question.nodes) writeDurably(join(path, gangFiles.nodes), JSON.stringify(question.nodes))
      await utimes(join(path, gangFiles.claim), new Date(), new Date())
      return { ...known, stop: (await readJson<StopOrder>(join(path, gangFiles.stop))) ?? null }
    case 'over':
      await writeFile(join(path, gangFiles.output), question.said, { mode: 0o600 })
      writeDurably(join(path, gangFiles.over), JSON.stringify({ endedAt: question.endedAt }))
      return known
    case 'join':
      return { ...known, ...(await joined(path, order, question.rank)) }
    case 'tell':
      await note(path, order, question)
      return known
  }
}

type Of<T extends GangAsk['ask']> = Extract<GangAsk, { ask: T }>

async function claim(path: string, order: GangOrder, { job, by }: Of<'claim'>): Promise<Partial<RelayedGang>> {
  const file = join(path, gangFiles.claim)
  const own = `${file}.${randomUUID()}`
  await writeFile(own, JSON.stringify({ job, by } satisfies GangClaim), { mode: 0o600 })
  const isFirst = await link(own, file)
    .then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false
        throw error
      },
    )
    .finally(() => rm(own, { force: true }))
  // It may have had it before, and not heard of it.
  const holder = isFirst ? { job, by } : await readJson<GangClaim>(file)
  if (holder?.by === by) return { order: withoutCredential(order) }
  const isOver = holder?.job === null || (await isThere(join(path, gangFiles.over)))
  return { claimedAt: isOver ? null : ((await claimedAt(path)) ?? null) }
}

async function joined(path: string, order: GangOrder, rank: number): Promise<Partial<RelayedGang>> {
  const nodes = await readJson<GangNodes>(join(path, gangFiles.nodes))
  const mine = order.ranks.find((one) => one.rank === rank)
  // A rank needs to know who shares its node, and no more of thousands.
  const beside = order.ranks.filter((one) => one === mine || (one.node !== undefined && one.node === mine?.node))
  return { order: withoutCredential({ ...order, ranks: beside }), nodes: nodes ?? null }
}

function withoutCredential({ credential: _credential, ...order }: GangOrder): NonNullable<RelayedGang['order']> {
  return order
}

/** What comes again, late or twice, changes nothing: an end is written once. */
async function note(
  path: string,
  order: GangOrder,
  { rank, agent, start, end, taken, output }: Of<'tell'>,
): Promise<void> {
  if (!order.ranks.some((one) => one.rank === rank)) return
  const mine = join(path, String(rank))
  const write = async (name: string, value: unknown) => {
    if (!(await isThere(join(mine, name)))) writeDurably(join(mine, name), JSON.stringify(value))
  }
  await mkdir(mine, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  if (output) {
    const bytes = Buffer.from(output.bytes, 'base64')
    await copyIntoLog(join(mine, agentFiles.output), { from: output.from, bytes, most: mostOutputBytes })
  }
  await write(agentFiles.agent, agent)
  if (taken) await write(agentFiles.taken, { at: Date.now() })
  if (start) await write(agentFiles.start, { ...start, group: null })
  if (end) await write(agentFiles.end, end)
}
