import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { Order } from '#model/order.ts'
import type { AcceleratorPart } from '#model/resources.ts'
import type { Node } from '#model/site.ts'

import { claimed } from './claims.ts'
import type { MigInstance } from './measure.ts'
import type { SiteFolder } from './site-folder.ts'

/** Where the accelerators of one rank are claimed. */
export type Taking = {
  folder: SiteFolder
  host: Node
  /** The slices that this machine is cut into, if the node is this machine. */
  slices: readonly MigInstance[]
  /** Claims a thing, for one order alone. */
  take: (name: string) => Promise<boolean>
  giveBack: (name: string) => Promise<void>
}

type AskedRank = Order['ranks'][number] & { token: string }
type Numbers = (number | string)[]

/**
 * The accelerators of a rank: whole ones that nobody shares, its part of one that is shared, or a slice. Whoever claims
 * looks afterwards who else did: two that come at once may both be refused, but never have too much together.
 */
export async function takeAccelerators(taking: Taking, rank: AskedRank): Promise<Outcome<Numbers>> {
  const { host } = taking
  const { accelerators } = rank.shape
  const { part } = rank
  if (part?.profile !== undefined) return takeSlice(taking, part.profile)
  const whole: Numbers = []
  for (let number = 0; number < host.shape.accelerators && whole.length < accelerators; number++)
    if (await takeWhole(taking, number)) whole.push(number)
  if (whole.length < accelerators)
    return fail('no-capacity', 'elsewhere', `${host.name} has no ${accelerators} free accelerators`)
  if (!part) return succeed(whole)
  const shared = await takeShare(taking, part, `${rank.token}-${rank.rank}`)
  return shared === null
    ? fail('no-capacity', 'elsewhere', `${host.name} has no accelerator with ${part.shareMilli} thousandths free`)
    : succeed([...whole, shared])
}

const wholeName = ({ host }: Taking, number: number): string => `${host.name}-accelerator-${number}`
const shareName = ({ host }: Taking, number: number): string => `${host.name}-shared-${number}-`

const isCut = ({ slices }: Taking, number: number): boolean => slices.some(({ accelerator }) => accelerator === number)

async function takeWhole(taking: Taking, number: number): Promise<boolean> {
  const name = wholeName(taking, number)
  if (isCut(taking, number) || !(await taking.take(name))) return false
  if ((await claimed(taking.folder, shareName(taking, number))).length === 0) return true
  await taking.giveBack(name)
  return false
}

/** A share of the accelerator on which those of its number are, or of one that nobody uses. */
async function takeShare(taking: Taking, { device, shareMilli }: AcceleratorPart, who: string): Promise<number | null> {
  const others: number[] = []
  for (let number = 0; number < taking.host.shape.accelerators; number++) {
    const shares = await sharesOf(taking, number)
    if (shares.some((share) => share.device === device)) return (await add(number)) ? number : null
    if (shares.length === 0 && !isCut(taking, number)) others.push(number)
  }
  for (const number of others) if (await add(number)) return number
  return null

  async function add(number: number): Promise<boolean> {
    const name = `${shareName(taking, number)}${device}-${shareMilli}-${who}`
    if (!(await taking.take(name))) return false
    const isWhole = (await claimed(taking.folder, wholeName(taking, number))).includes(wholeName(taking, number))
    const shares = await sharesOf(taking, number)
    const isOver = shares.reduce((sum, { milli }) => sum + milli, 0) > 1000
    if (!isWhole && !isOver && shares.every((share) => share.device === device)) return true
    await taking.giveBack(name)
    return false
  }
}

async function sharesOf(taking: Taking, number: number): Promise<{ device: number; milli: number }[]> {
  const begin = shareName(taking, number)
  return (await claimed(taking.folder, begin)).map((name) => {
    const [device, milli] = name.slice(begin.length).split('-').map(Number)
    return { device: device ?? 0, milli: milli ?? 0 }
  })
}

/** A slice that this machine is cut into already: to cut it is for whoever owns it, since it stops what runs there. */
async function takeSlice({ host, slices, take }: Taking, profile: string): Promise<Outcome<Numbers>> {
  for (const { uuid } of slices.filter((slice) => slice.profile === profile))
    if (await take(`${host.name}-slice-${uuid}`)) return succeed([uuid])
  const has = [...new Set(slices.map((slice) => slice.profile))].sort().join(', ')
  return fail(
    'no-capacity',
    'elsewhere',
    `${host.name} has no free slice ${profile}${has === '' ? '; its accelerators are not cut' : `; it is cut into ${has}`}`,
  )
}
