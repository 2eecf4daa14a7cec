import type { Clock } from '#kit/clock.ts'
import type { Outcome } from '#model/fault.ts'
import { mostQuietMs, type Provider } from '#providers/provider.ts'
import { within } from './side-by-side.ts'

/** What a site tells of itself (`watch`), for as long as somebody listens. It says when to look, and nothing else. */
export type Word = {
  /** It tells of all that changes: what is listed from now on is so until it tells of news. */
  readonly tells: boolean
  /** Begins to listen, unless it does, or tried a moment ago. Throws what went wrong that should not. */
  listen(): void
  end(): void
}

type Options = {
  clock: Clock
  signal: AbortSignal
  /** Is called when something may have changed, and when it is not known any more whether it has. */
  news: () => void
}

/** A site that tells nothing is asked again whether it does no sooner than this; meanwhile it is listed as any other. */
const againMs = 10_000
/** Changes that come one upon the other are told as one. */
const restMs = 1_000
const mostMs = mostQuietMs + 10_000

/** Listens to a site. Where its provider has no watch, or it tells of nothing there, `tells` stays false. */
export function listenTo(provider: Provider, site: string, { clock, signal, news }: Options): Word {
  const { watch } = provider.abilities
  const ending = new AbortController()
  const end = (): void => {
    signal.removeEventListener('abort', end)
    ending.abort()
  }
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true })
  let [tells, isListening, againAt] = [false, false, -Infinity]
  let wrong: unknown

  async function follow(ask: NonNullable<typeof watch>): Promise<void> {
    let mark: string | null = null
    const next = (call: AbortSignal) => ask(site, mark, call)
    for (;;) {
      const answer: Outcome<string> = await within(mostMs, { clock, signal: ending.signal }, next)
      if (ending.signal.aborted) return
      if (!answer.ok) {
        if (answer.fault.retry === 'never') againAt = Infinity
        return
      }
      tells = true
      if (answer.value !== mark) news()
      mark = answer.value
      await clock.sleep(restMs, ending.signal)
    }
  }

  return {
    get tells() {
      return tells
    },
    listen() {
      if (wrong !== undefined) {
        const error = wrong
        wrong = undefined
        throw error
      }
      if (!watch || isListening || ending.signal.aborted || clock.now() < againAt) return
      isListening = true
      againAt = clock.now() + againMs
      void follow(watch)
        .catch((error: unknown) => void (wrong = error))
        .then(() => {
          isListening = false
          if (!tells || ending.signal.aborted) return
          tells = false
          news()
        })
    },
    end,
  }
}
