import type { Store } from '#store/store.ts'
import type { Provider } from '#providers/provider.ts'

/** Makes a call that a process asked for; `args` are what it is made with. */
export type Caller = <T>(name: string, args: readonly unknown[], make: () => Promise<T>) => Promise<T>

type Method = (...args: unknown[]) => Promise<unknown>

/** The methods of a noun, each made by the caller under the name `noun.method`. */
function through<Noun extends object>(noun: Noun, name: string, call: Caller): Noun {
  const made = Object.entries(noun).map(([key, member]: [string, unknown]) => {
    if (typeof member !== 'function') return [key, member]
    const [method, full] = [member as Method, `${name}.${key}`] // nouns have only these
    return [key, (...args: unknown[]) => call(full, args, () => Reflect.apply(method, noun, args))]
  })
  return Object.fromEntries(made) as Noun // with the same members
}

/** The store as a process has it: all calls, of all nouns, go through the caller. */
export function storeThrough(store: Store, call: Caller, onNudge: Store['onNudge']): Store {
  const nouns = Object.fromEntries(
    Object.entries(store)
      .filter(([, noun]) => typeof noun === 'object')
      .map(([name, noun]) => [name, through(noun as object, name, call)]),
  )
  const over: Store = {
    ...store,
    ...nouns,
    apply: (changes) => call('apply', [changes], () => store.apply(changes)),
    prune: (options) => call('prune', [options], () => store.prune(options)),
    figures: () => call('figures', [], () => store.figures()),
    requireSchema: () => call('requireSchema', [], () => store.requireSchema()),
    onNudge,
    rehearsal: () => storeThrough(store.rehearsal(), call, onNudge),
    close: () => Promise.resolve(),
  }
  return over
}

/** An adapter as a process has it. What sites there are it knows by itself. */
export function providerThrough(provider: Provider, call: Caller): Provider {
  const { sites, abilities, name } = provider
  const over = through(provider, 'provider', call)
  const { offers, launch, get, list, retire, logs } = over
  const reached: Provider = { name, sites, offers, launch, get, list, retire, logs, abilities }
  const { inventory, watch } = abilities
  return {
    ...reached,
    abilities: {
      ...abilities,
      ...(inventory && {
        inventory: (site, signal) => call('provider.inventory', [site, signal], () => inventory(site, signal)),
      }),
      ...(watch && {
        watch: (site, since, signal) => call('provider.watch', [site], () => watch(site, since, signal)),
      }),
    },
  }
}
