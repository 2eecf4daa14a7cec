import type { Place } from '#engine/sharing/devices.ts'
import type { GangRequest } from './ask.ts'
import type { CellPlan, NodeClass } from './cell.ts'
import type { RankSize } from './sizes.ts'

/**
 * What must hold of accelerators that are shared, kept in the slowest and plainest way: lists of ranks, and every way to
 * place a gang tried one after the other. It shares no code with the cell; tests compare the two on small cells.
 */
export type Books = { plan: CellPlan; held: Map<number, Held> }
export type Held = { request: GangRequest; ranks: number[]; devices?: readonly (Place | null)[] | undefined }

/** A rank on its node, with the place of its share. */
export type Stand = { size: RankSize; node: number; place: Place | null }

/** The placements of an H100 with 80 GB as `nvidia-smi mig -lgipp` prints them. */
export const guide: Record<string, { starts: number[]; size: number }> = {
  '1g.10gb': { starts: [0, 1, 2, 3, 4, 5, 6], size: 1 },
  '1g.10gb+me': { starts: [0, 1, 2, 3, 4, 5, 6], size: 1 },
  '1g.20gb': { starts: [0, 2, 4, 6], size: 2 },
  '2g.20gb': { starts: [0, 2, 4], size: 2 },
  '3g.40gb': { starts: [0, 4], size: 4 },
  '4g.40gb': { starts: [0], size: 4 },
  '7g.80gb': { starts: [0], size: 8 },
}

/** The size of each rank, role after role. */
const sizesOf = ({ roles }: GangRequest): RankSize[] =>
  roles.flatMap(({ size, ranks }) => Array.from({ length: ranks }, () => size))

export const standsOf = ({ request, ranks, devices }: Held): Stand[] =>
  sizesOf(request).map((size, rank) => ({ size, node: ranks[rank] ?? -1, place: devices?.[rank] ?? null }))

export const allStands = (books: Books, but = -1): Stand[] =>
  [...books.held].flatMap(([gang, held]) => (gang === but ? [] : standsOf(held)))

const isShare = ({ size }: Stand): boolean => size.share !== undefined || size.profile !== undefined
const classAt = ({ plan }: Books, node: number): NodeClass | undefined => plan.classes[plan.classOf[node] ?? -1]
const sum = (numbers: number[]): number => numbers.reduce((all, each) => all + each, 0)

/** What is free of a node: whole accelerators, CPUs, memory. */
export function freeOn(books: Books, node: number, stands = allStands(books)): number[] {
  const here = stands.filter((stand) => stand.node === node)
  const has = classAt(books, node)
  if (here.some(({ size }) => size.whole)) return [0, 0, 0]
  const shared = new Set(
    here.filter(isShare).map((stand, i) => (stand.place ? `${stand.place.device}` : `unknown ${i}`)),
  )
  return [
    (has?.accelerators ?? 0) - shared.size - sum(here.map(({ size }) => size.accelerators ?? 0)),
    (has?.cpuMilli ?? 0) - sum(here.map(({ size }) => size.cpuMilli ?? 0)),
    (has?.memoryMiB ?? 0) - sum(here.map(({ size }) => size.memoryMiB ?? 0)),
  ]
}

/** What is wrong on a node, in words. */
export function wrongOn(books: Books, node: number, stands = allStands(books)): string[] {
  const here = stands.filter((stand) => stand.node === node)
  const has = classAt(books, node)
  const wrong: string[] = []
  if (here.some(({ size }) => size.whole) && here.length > 1) wrong.push('somebody is on a node that is given whole')
  if (freeOn(books, node, stands).some((free) => free < 0)) wrong.push('more is given than the node has')
  for (const { size } of here) if (has && size.allows && !size.allows(has)) wrong.push('it may not run there')
  for (const share of here.filter(isShare)) {
    if (share.size.profile !== undefined && has?.accelerator !== 'H100') wrong.push('it cannot be cut')
    if (!share.place) wrong.push('a share has no place')
    else if (share.place.device >= (has?.accelerators ?? 0)) wrong.push('there is no such accelerator')
  }
  for (let device = 0; device < (has?.accelerators ?? 0); device++)
    wrong.push(...wrongOnDevice(here.filter((stand) => isShare(stand) && stand.place?.device === device)))
  return wrong.map((text) => `node ${node}: ${text}`)
}

function wrongOnDevice(shares: Stand[]): string[] {
  const cut = shares.filter(({ size }) => size.profile !== undefined)
  if (cut.length > 0 && cut.length < shares.length) return ['fractions and instances are on one accelerator']
  if (sum(shares.map(({ size }) => size.share ?? 0)) > 1000) return ['more than all of an accelerator is given']
  const taken = cut.flatMap(({ size, place }) => slicesOf(size.profile, place?.start ?? -1))
  const isLegal = cut.every(({ size, place }) => guide[size.profile ?? '']?.starts.includes(place?.start ?? -1))
  const media = cut.filter(({ size }) => size.profile?.endsWith('+me')).length
  return isLegal && media <= 1 && new Set(taken).size === taken.length ? [] : ['it is cut in no way that NVIDIA allows']
}

const slicesOf = (profile = '', start = 0): number[] =>
  Array.from({ length: guide[profile]?.size ?? 0 }, (_, i) => start + i)

/** The domain of a level that a node is in; the site is above all. */
export const domainOf = ({ plan }: Books, node: number, level: number): string =>
  level === 0 ? `${node}` : level > plan.domains.length ? 'site' : `${plan.domains[level - 1]?.[node]}`

/** Whether there is any way to place a gang, found by trying all. */
export function hasWay(books: Books, request: GangRequest): boolean {
  const limit = request.within && !request.within.preferred ? request.within.level : null
  const place = (stands: Stand[], sizes: RankSize[], first: number | null): boolean => {
    const [size, ...others] = sizes
    if (!size) return true
    for (let node = 0; node < books.plan.classOf.length; node++) {
      if (limit !== null && first !== null && domainOf(books, first, limit) !== domainOf(books, node, limit)) continue
      for (const stand of waysOn(books, node, size)) {
        const all = [...stands, stand]
        if (wrongOn(books, node, all).length > 0) continue
        if (place(all, others, first ?? node)) return true
      }
    }
    return false
  }
  return place(allStands(books), sizesOf(request), null)
}

/** Every place of a node where a rank might stand, whether it has room there or not. */
function waysOn(books: Books, node: number, size: RankSize): Stand[] {
  if (size.share === undefined && size.profile === undefined) return [{ size, node, place: null }]
  const devices = Array.from({ length: classAt(books, node)?.accelerators ?? 0 }, (_, device) => device)
  const starts = size.profile === undefined ? [0] : (guide[size.profile]?.starts ?? [])
  return devices.flatMap((device) => starts.map((start) => ({ size, node, place: { device, start } })))
}
