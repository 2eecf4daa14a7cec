import { lateFates } from '#providers/simulated/fate.ts'
import { CallName, callsOf, isOneOf, Trouble } from '#providers/simulated/trouble.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import type { CoverageCounts } from './coverage.ts'
import { isRead } from './database.ts'
import { createMemoryStore } from './memory/store.ts'

const ofProcesses = ['kill-before', 'kill-after', 'pause-before', 'pause-after']
/** The last three befall what is written only: a read is asked again, or never noticed. */
const ofDatabase = ['database-away', 'database-fail', 'database-lose-reply', 'database-full', 'database-collide']

/** Calls that no process of a simulated house makes, by why not. */
const unmade: Readonly<Record<string, readonly string[]>> = {
  'a server makes them before it is a control plane, or while it upgrades: src/server/serve.test.ts, src/store/*.test.ts':
    ['secrets.sameKey', 'secrets.hasKey', 'requireSchema'],
  'only metrics ask for them, which a simulated control plane has none of': ['figures'],
  'only tests make it': ['projects.put'],
  'nobody joins or leaves a site in a story: src/store/queries/joined.test.ts': [
    'joined.add',
    'joined.leave',
    'joined.remains',
    'joined.remove',
  ],
  'it is for queues of thousands: src/reconcilers/sittings.test.ts': ['placement.more'],
}

/** What never met although it could, fault by fault, and what cannot in a simulated house, by why not. */
export function holesText({ met }: Pick<CoverageCounts, 'met'>): string {
  const seen = new Set(Object.keys(met).map((key) => key.split(' ').slice(0, 2).join(' ')))
  const left = new Set(Object.values(unmade).flat())
  let possible = 0
  const lines = [...meetings()].flatMap(([fault, operations]) => {
    const those = operations.filter((operation) => !left.has(operation))
    const holes = those.filter((operation) => !seen.has(`${fault} ${operation}`))
    possible += those.length
    return holes.length > 0 ? [`never met: ${fault} with ${holes.join(', ')}`] : []
  })
  const count = lines.reduce((sum, line) => sum + line.split(', ').length, 0)
  const reasons = Object.entries(unmade).map(([why, calls]) => `left out: ${calls.join(', ')} (${why})`)
  return [
    ...lines,
    `${possible - count} of ${possible} meetings of a fault and an operation happened`,
    ...reasons,
  ].join('\n')
}

/** Which operations each fault can meet. */
function meetings(): Map<string, string[]> {
  const ofStore = storeCalls()
  const ofProviders = CallName.options.map((call) => `provider.${call}`)
  const ofApi = ['GET', 'POST', 'PUT', 'DELETE'].map((method) => `api.${method}`)
  const all = new Map(ofProcesses.map((fault) => [fault, [...ofStore, ...ofProviders, ...ofApi]]))
  for (const [i, fault] of ofDatabase.entries())
    all.set(fault, i < 2 ? ofStore : ofStore.filter((call) => !isRead(call)))
  for (const trouble of Trouble.options) all.set(trouble, operationsOf(trouble))
  return all.set('upgrade', ['stop'])
}

/** What befalls a gang later in its life, or all that runs somewhere, meets no call. */
function operationsOf(trouble: Trouble): string[] {
  if (trouble === 'lost' || isOneOf(lateFates, trouble)) return ['site']
  return callsOf(trouble).map((call) => `provider.${call}`)
}

/** All calls of a store, but those that end, copy or listen. */
function storeCalls(): string[] {
  const store = createMemoryStore({ clock: createFakeClock() })
  const others = new Set(['onNudge', 'rehearsal', 'close', 'crash', 'tables'])
  const nouns = Object.entries(store).filter(([name]) => !others.has(name))
  return nouns.flatMap(([name, noun]) =>
    typeof noun === 'function' ? [name] : Object.keys(noun).map((method) => `${name}.${method}`),
  )
}
