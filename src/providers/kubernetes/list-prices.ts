import type { Node } from '#model/site.ts'

/** Where the prices are from, and of when. */
export const listSource = "Amazon's list of July 2026"

/**
 * On-demand prices of a node for one hour, in millionths of a US dollar, by its region and its instance type. Amazon's price
 * list as Karpenter publishes it (2026-07-20), in whole cents but for p5en. Only what is known
 * with its region and its date stands here: all else is asked for.
 */
const listed: ReadonlyMap<string, number> = new Map([
  ['us-east-1 p5.48xlarge', 55_040_000],
  ['us-east-1 p5en.48xlarge', 63_296_000],
  ['us-east-1 p6-b200.48xlarge', 113_930_000],
  ['us-east-1 p6-b300.48xlarge', 142_420_000],
  ['us-east-1 c8g.48xlarge', 7_660_000],
  ['us-east-1 m8g.48xlarge', 8_620_000],
  ['us-east-1 c9g.48xlarge', 8_350_000],
  ['us-east-1 m9g.48xlarge', 9_390_000],
  ['us-east-1 c8a.48xlarge', 10_350_000],
  ['us-east-1 m8a.48xlarge', 11_690_000],
  ['us-east-1 c8i.96xlarge', 17_990_000],
])

/** Labels by which a node says how it was bought, if it does. */
const boughtLabels = ['eks.amazonaws.com/capacityType', 'karpenter.sh/capacity-type']

/** What each of these nodes costs an hour by the list; undefined where that is not known of all, or not the same. */
export function listMicrosOf(nodes: readonly Pick<Node, 'labels'>[]): number | undefined {
  const prices = new Set(nodes.map(({ labels = {} }) => (isOnDemand(labels) ? priceOf(labels) : undefined)))
  const [only] = prices
  return prices.size === 1 ? only : undefined
}

const priceOf = (labels: Readonly<Record<string, string>>): number | undefined =>
  listed.get(`${labels['topology.kubernetes.io/region']} ${labels['node.kubernetes.io/instance-type']}`)

/** Spot and reserved capacity have prices of their own. */
const isOnDemand = (labels: Readonly<Record<string, string>>): boolean =>
  boughtLabels.every((label) => /^on[-_]demand$/i.test(labels[label] ?? 'on-demand'))
