import type { Life } from './life.ts'
import { providerOf, type Story } from './story.ts'

/** Since the look before: whether what should happen could, as far as the story lets it. */
export type Excuses = {
  /** A look begins: from here on it is told of the time since the one before. */
  look(now: number): void
  /** No fault that is in force keeps what should happen from it; at `provider/site` where one is named. */
  able(site?: string): boolean
}

type Span = { from: number; to: number }

/** A trouble that befalls no more than this share of the calls is what bounds are made for. */
const bearable = 0.1
/** What was ordered late comes late, and what was told is believed for a while: so long a trouble lasts beyond its end. */
const echoMs = 90_000
/** So often the database may fail one call after the other while what should happen still does in time. */
const bearableTimes = 3

type Options = {
  from: number
  lives: ReadonlyMap<string, Life>
  /** Whether a site answers nobody now, whatever for. */
  isDown(site: string): boolean
}

/** What a story does to whom, and when: a house that is dead, or answered by nobody, owes nothing meanwhile. */
export function createExcuses(story: Story, { from, lives, isDown }: Options): Excuses {
  const { ofHouse, ofSite } = spansOf(story, from)
  let [before, now] = [from, from]
  let alive = new Set<string>()
  let isHouseAble = false
  const told = new Map<string | undefined, boolean>()
  const isFree = (spans: readonly Span[]): boolean => spans.every((one) => one.to < before || one.from > now)
  return {
    look(at) {
      ;[before, now] = [now, at]
      told.clear()
      const living = new Set([...lives.values()].filter((life) => life.state() === 'alive').map(({ name }) => name))
      isHouseAble = living.values().some((name) => alive.has(name)) && isFree(ofHouse)
      alive = living
    },
    able(site) {
      if (!isHouseAble || site === undefined) return isHouseAble
      const known = told.get(site)
      if (known !== undefined) return known
      const isAble = isFree(ofSite.get(site) ?? []) && !isDown(site)
      told.set(site, isAble)
      return isAble
    },
  }
}

function spansOf({ cloud, troubles, steps, calmAt }: Story, from: number) {
  const ofHouse: Span[] = []
  const ofSite = new Map<string, Span[]>()
  const keys = new Map(cloud.sites.map((site) => [site.name, `${providerOf(site)}/${site.name}`]))
  for (const key of keys.values()) ofSite.set(key, [])
  const excuse = (site: string | undefined, fromMs: number, toMs: number): void => {
    const span = { from: from + fromMs, to: from + Math.min(toMs, calmAt) + echoMs }
    for (const [key, spans] of ofSite) if (site === undefined || key === keys.get(site)) spans.push(span)
  }
  // A watch excuses nothing: what it does not tell, a listing finds.
  const hurting = troubles.filter(({ share, calls }) => share > bearable && !calls?.every((call) => call === 'watch'))
  for (const { site, fromMs, toMs } of hurting) excuse(site, fromMs, toMs)
  // What befalls these by itself is no part of the story.
  for (const { name, profile } of cloud.sites) if (profile) excuse(name, 0, calmAt)
  if (cloud.faults?.outages) excuse(undefined, 0, calmAt)
  for (const step of steps)
    switch (step.do) {
      case 'restart-database':
        ofHouse.push({ from: from + step.at, to: from + step.at + step.forMs })
        break
      case 'database':
        if (step.times > bearableTimes) ofHouse.push({ from: from + step.at, to: from + calmAt + echoMs })
        break
      case 'undeclare':
      case 'cut':
      case 'sever':
      case 'befall':
        excuse(step.site, step.at, step.at + step.forMs)
    }
  return { ofHouse, ofSite }
}
