import type { Change } from '#model/change.ts'
import type { Tables } from './invariants/tables.ts'

/** In which state what a call is about is: of a lease, an operation, a decision; `-` where a call is about none. */
export function stateOf(call: string, args: readonly unknown[], tables: Tables | null): string {
  const [first, second] = args
  const lease = (id: unknown): string => (typeof id === 'string' && tables?.leases.get(id)?.state) || 'unknown'
  switch (call) {
    case 'provider.launch':
    case 'provider.get':
    case 'provider.retire':
    case 'provider.logs':
      return lease(field(first, 'token'))
    case 'agents.view':
    case 'agents.report':
    case 'agents.tasks':
      return lease(first)
    case 'operations.settle': {
      const kind = tables?.operations.get(String(field(first, 'id')))?.kind ?? 'unknown'
      return `${kind}:${String(field(second, 'state'))}`
    }
    case 'operations.claim':
      return String(field(first, 'kind'))
    case 'operations.nextAt':
    case 'claims.take':
      return String(first).replace(/:.*/, '')
    case 'apply':
      return changesOf(first)
    case 'placement.commit':
      return lengthOf(second) > 0 ? 'placed' : 'refused'
    default:
      return '-'
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : 0)

/** The first of some changes, by what it is a change of. */
function changesOf(value: unknown): string {
  if (!Array.isArray(value)) return '-'
  const [first] = value as Change[] // it is the argument of `apply`
  return first === undefined ? '-' : 'to' in first ? `${first.change}:${first.to}` : first.change
}
