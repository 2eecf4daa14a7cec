import { delimiter, resolve } from 'node:path'

import type { Call } from './call.ts'
import { CliFault, exitCodes } from './fault.ts'

/** A site as it would be declared, as far as the command line says. */
export type Draft = Record<string, unknown>

/** Options whose values are taken as they are: the option, and the field of the declaration. */
const texts: readonly (readonly [option: string, field: string])[] = [
  ['name', 'name'],
  ['price', 'price'],
  ['tier', 'tier'],
  ['patience', 'patience'],
  ['up-within', 'upWithin'],
  ['context', 'context'],
  ['namespace', 'namespace'],
  ['image', 'image'],
  ['checkpoints', 'checkpoints'],
  ['checkpoints-endpoint', 'checkpointsEndpoint'],
  ['checkpoints-region', 'checkpointsRegion'],
  ['checkpoints-secret', 'checkpointsSecret'],
  ['checkpoints-addressing', 'checkpointsAddressing'],
  ['checkpoints-image', 'checkpointsImage'],
  ['service-account', 'serviceAccount'],
  ['endpoints', 'endpoints'],
  ['queue', 'queue'],
  ['queue-priority', 'queuePriority'],
  ['queue-topology', 'queueTopology'],
  ['partition', 'partition'],
  ['account', 'account'],
  ['qos', 'qos'],
  ['user', 'user'],
  ['rest', 'rest'],
  ['ssh', 'ssh'],
  ['reservation', 'reservation'],
  ['accelerator-memory', 'acceleratorMemory'],
  ['token-lifespan', 'tokenLifespan'],
]
/** Options that name a file or folder of the machine of the control plane. */
const places: readonly (readonly [option: string, field: string])[] = [
  ['kubeconfig', 'kubeconfig'],
  ['token-file', 'tokenFile'],
  ['directory', 'directory'],
  ['conf', 'conf'],
  ['ssh-config', 'sshConfig'],
  ['topology-file', 'topologyFile'],
]

/** Reads the declaration of a site from the options of `isobar site add`. */
export async function draftOf(call: Call, provider: string): Promise<Draft> {
  const draft: Draft = {}
  for (const [option, field] of texts) if (call.text(option) !== undefined) draft[field] = call.text(option)
  for (const [option, field] of places) {
    const path = call.text(option)
    // The server of another machine has other folders.
    if (path !== undefined) draft[field] = call.io.env.ISOBAR_SERVER ? path : resolve(call.io.cwd, path)
  }
  if (call.flag('in-cluster')) draft['inCluster'] = true
  if (call.flag('exclusive')) draft['exclusive'] = true
  const topology = call.texts('topology')
  if (topology.length > 0)
    draft['topology'] = topology.every((text) => text.includes('=')) ? byLevel(topology) : topology
  if (call.texts('licences').length > 0) draft['licences'] = call.texts('licences')
  const user = call.text('run-as-user')
  if (user !== undefined) draft['runAsUser'] = /^\d+$/.test(user) ? Number(user) : user
  const command = call.text('token-command')
  if (command !== undefined) draft['tokenCommand'] = command.split(/\s+/).filter((word) => word !== '')
  const jurisdictions = call.text('jurisdiction')
  if (jurisdictions !== undefined) draft['jurisdictions'] = codesIn(jurisdictions)
  const prices = call.text('prices')
  if (prices !== undefined) draft['prices'] = await pricesIn(call, prices)
  if ((provider === 'kubernetes' || provider === 'coreweave') && !draft['kubeconfig'] && !draft['inCluster']) {
    const kubeconfig = kubeconfigOf(call)
    if (kubeconfig !== undefined) draft['kubeconfig'] = kubeconfig
  }
  return draft
}

/** `block=example.com/rack` as the labels of a level. */
function byLevel(named: readonly string[]): Record<string, string[]> {
  const labels: Record<string, string[]> = {}
  for (const text of named) {
    const [level = '', label = ''] = text.split(/=(.*)/s)
    labels[level] = [...(labels[level] ?? []), label]
  }
  return labels
}

/** `de, EU` as codes. */
export const codesIn = (text: string): string[] =>
  text
    .split(/[\s,]+/)
    .filter((code) => code !== '')
    .map((code) => code.toUpperCase())

/** Puts what somebody answered where it belongs in the declaration. */
export function answered(draft: Draft, field: string, answer: string): Draft {
  if (field === 'jurisdictions') return { ...draft, jurisdictions: codesIn(answer) }
  const [, shape] = /^prices\.(.*)$/.exec(field) ?? []
  if (shape === undefined) return { ...draft, [field]: answer }
  const before = typeof draft['prices'] === 'object' ? draft['prices'] : {}
  return { ...draft, prices: { ...before, [shape]: answer } }
}

/** What kubectl would read here: the server may have been started where another file was meant. */
function kubeconfigOf({ io: { env, cwd } }: Call): string | undefined {
  if (env.ISOBAR_SERVER) return undefined
  const [only, ...more] = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  if (only === undefined) return undefined
  if (more.length === 0) return resolve(cwd, only)
  throw new CliFault('KUBECONFIG names several files, and a site is declared with one', {
    code: exitCodes.usage,
    next: [`isobar site add kubernetes --kubeconfig ${only}`],
  })
}

const mostBytes = 256 * 1024

/** A file of prices: the names of shapes, each with the price of a node for one hour. */
async function pricesIn(call: Call, path: string): Promise<Record<string, unknown>> {
  const { readFileSync, statSync } = await import('node:fs')
  const { parse } = await import('yaml')
  const wrong = (why: string) =>
    new CliFault(`${path} is no file of prices: ${why}`, {
      code: exitCodes.usage,
      next: [
        'write one line a kind of node, such as  8xH100-p5.48xlarge: $98/h  (isobar site add … --dry-run shows them)',
      ],
    })
  try {
    const file = resolve(call.io.cwd, path)
    if (statSync(file).size > mostBytes) throw wrong(`it is larger than ${mostBytes} bytes`)
    const prices: unknown = parse(readFileSync(file, 'utf8'), { maxAliasCount: 0 })
    if (typeof prices !== 'object' || prices === null || Array.isArray(prices))
      throw wrong('it holds no names with prices')
    return { ...prices }
  } catch (error) {
    if (error instanceof CliFault) throw error
    throw wrong(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}
