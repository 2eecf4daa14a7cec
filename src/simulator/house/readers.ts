import type { Ask } from './people.ts'
import type { Clock } from '#kit/clock.ts'

/** Somebody who follows events by asking for those after the last that he was told, a page at a time. */
export type Reader = {
  who: string
  /** Only of this project, where one is named. */
  project: string | null
  /** The cursors that he was told, in the order in which he was. */
  told: readonly string[]
}

type Following = { who: string; everyMs: number; size: number; project?: string }
type Around = { ask: Ask; clock: Clock }

/** Begins with the first event that there is. */
export function startReader({ who, everyMs, size, project }: Following, { ask, clock }: Around): Reader {
  const told: string[] = []
  const ofProject = project === undefined ? '' : `&project=${project}`
  const follow = async (): Promise<void> => {
    for (;;) {
      const answer = await ask('GET', `/v1/events?after=${told.at(-1) ?? '0'}&pageSize=${size}${ofProject}`)
      const page = answer?.status === 200 ? (answer.json as { items: { cursor: string }[] }).items : [] // the API of this house
      told.push(...page.map(({ cursor }) => cursor))
      if (page.length < size) await clock.sleep(everyMs)
    }
  }
  void follow()
  return { who, project: project ?? null, told }
}
