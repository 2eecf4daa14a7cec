import { z } from 'zod'

import type { Examination, Obstacle } from '#model/examination.ts'
import type { Fault } from '#model/fault.ts'
import { Name } from '#model/names.ts'

/** A declaration as somebody wrote it so far: what he left open is absent. */
export type Draft = Record<string, unknown>

/** What an examination begins with. */
export const nothingFound = (declaration: Draft): Examination => ({
  declaration,
  identity: null,
  facts: [],
  nodes: [],
  topology: [],
  extensions: [],
  unknown: [],
  obstacles: [],
  manifest: null,
  notes: [],
})

export const obstacle = (kind: Obstacle['kind'], what: string, fix: string): Obstacle => ({ kind, what, fix })

/** What a failed call says about joining. What is already said of the fix in its detail stays there. */
export function obstacleOf(fault: Fault, fix: string): Obstacle {
  if (fault.kind === 'denied' || fault.kind === 'invalid') return obstacle(fault.kind, fault.detail, fix)
  return obstacle('unreachable', fault.detail, fix)
}

/** Reads a draft by the schema of its provider's part of sites.yaml; what is wrong first is an obstacle. */
export function readDraft<T>(schema: z.ZodType<{ sites: T[] }>, draft: Draft): { site: T } | { wrong: Obstacle } {
  // Without a name it can be looked at all the same.
  const read = schema.safeParse({ sites: [{ name: 'unnamed', ...draft }] })
  const [site] = read.data?.sites ?? []
  if (site !== undefined) return { site }
  const [issue] = read.error?.issues ?? []
  const field = issue?.path.slice(2).map(String).join('.') ?? ''
  const what = `${field === '' ? 'the declaration' : field}: ${issue?.message ?? 'it is not right'}`
  return { wrong: obstacle('invalid', what, 'isobar site add --help') }
}

/** A name that may be that of a site, if the text is one. */
export const nameFrom = (text: string | undefined): string | undefined =>
  Name.safeParse(text?.toLowerCase()).success ? text?.toLowerCase() : undefined

type Known = { declaration: Draft; nodes: Examination['nodes']; regions: readonly string[] }

/** What nobody told and nothing shows, and so has to be asked: a name, where it is, and what nodes cost. */
export function unknownOf({ declaration, nodes, regions }: Known): Examination['unknown'] {
  const unknown: Examination['unknown'] = []
  if (declaration['name'] === undefined)
    unknown.push({ field: 'name', flag: '--name', question: 'What is the site to be called?' })
  if (declaration['jurisdictions'] === undefined) {
    const seen = regions.length === 0 ? '' : ` (its nodes say ${regions.join(', ')})`
    const question = `In which country is it, and in which groups of countries${seen}? Such as DE,EU:`
    unknown.push({ field: 'jurisdictions', flag: '--jurisdiction', question })
  }
  const unpriced = nodes.filter(({ priceMicros }) => priceMicros === null)
  const [only] = unpriced
  if (nodes.length <= 1 && only)
    unknown.push({ field: 'price', flag: '--price', question: `What does a node ${only.shape} cost an hour?` })
  else if (nodes.length === 0 && declaration['price'] === undefined)
    unknown.push({ field: 'price', flag: '--price', question: 'What does a node cost an hour?' })
  else
    for (const { shape } of unpriced)
      unknown.push({ field: `prices.${shape}`, flag: '--prices', question: `What does a node ${shape} cost an hour?` })
  return unknown
}
