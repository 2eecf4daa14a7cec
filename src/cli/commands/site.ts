import { setTimeout as sleep } from 'node:timers/promises'

import type { JoinView } from '#api/site-views.ts'
import type { LeavingView, SiteView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import type { Api } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { ask, canAsk, colours, interruptible, note, plain } from '#cli/io.ts'
import { showOne } from '#cli/output/show.ts'
import { count } from '#cli/output/words.ts'
import { createSession } from '#cli/session.ts'
import { answered, type Draft, draftOf } from '#cli/site-draft.ts'
import { foundText } from '#cli/site-text.ts'

/** `isobar site add` */
export async function add(call: Call): Promise<void> {
  const [provider = ''] = call.args
  const draft = await draftOf(call, provider)
  const api = await call.api()
  const seen = await api.send<JoinView>('POST', '/v1/sites?dryRun=all', { provider, site: draft })
  const isAsked = seen.obstacles.length > 0 || call.flag('dry-run')
  const isManifest = seen.manifest !== null && isAsked && isForPeople(call)
  await show(call, seen, isManifest ? 'stderr' : 'stdout')
  // Nothing but the manifest on standard output: it goes to kubectl as it is.
  if (isManifest) call.io.stdout.write(seen.manifest ?? '')
  const [obstacle, ...more] = seen.obstacles
  if (obstacle)
    throw new CliFault(obstacle.what, {
      code: codes[obstacle.kind],
      why: more.map(({ what, fix }) => `also: ${what}\n      next: ${fix}`).join('\n'),
      next: [obstacle.fix],
    })
  if (call.flag('dry-run')) {
    for (const { flag, question } of seen.unknown) note(call.io, `unknown: ${plain(question)} (${flag})`)
    return note(call.io, 'nothing was joined: --dry-run')
  }
  const site = await completed(call, seen, draft)
  const { site: key } = await api.send<JoinView>('POST', '/v1/sites', { provider, site })
  note(call.io, `${key} is joined. next: isobar sites`)
}

const codes = {
  denied: exitCodes.denied,
  invalid: exitCodes.usage,
  exists: exitCodes.conflict,
  unreachable: exitCodes.failed,
} as const

const isForPeople = ({ format }: Call): boolean => format.kind === 'table' || format.kind === 'wide'

async function show(call: Call, seen: JoinView, to: 'stdout' | 'stderr'): Promise<void> {
  const { io, format } = call
  const text = () => foundText(seen, { width: io.width, wide: format.kind === 'wide', colour: colours(io, to) })
  if (to === 'stderr') io.stderr.write(text())
  else await showOne(call, { data: seen, name: () => seen.site ?? 'unknown', people: text })
  for (const one of isForPeople(call) ? seen.notes : []) note(io, `note: ${plain(one)}`)
}

/** The declaration with what was found, and with answers to what is unknown; nothing of it is guessed. */
async function completed(call: Call, { declaration, unknown }: JoinView, draft: Draft): Promise<Draft> {
  if (unknown.length > 0 && !canAsk(call.io))
    throw new CliFault('not all of the site is known, and nothing of it is guessed', {
      code: exitCodes.usage,
      why: unknown.map(({ flag, question }) => `${flag}: ${question}`).join('\n'),
      next: [`isobar site add ${call.args[0]} … ${[...new Set(unknown.map(({ flag }) => exampleOf(flag)))].join(' ')}`],
    })
  let site: Draft = { ...draft, ...declaration }
  for (const { field, question } of unknown) {
    const answer = (await ask(call.io, `${plain(question)} `))?.trim()
    if (answer === undefined || answer === '')
      throw new CliFault('nothing was joined', { code: exitCodes.interrupted, next: ['isobar site add --help'] })
    site = answered(site, field, answer)
  }
  return site
}

const examples: Record<string, string> = {
  '--jurisdiction': 'DE,EU',
  '--price': '$20/h',
  '--prices': 'prices.yaml',
  '--directory': '/shared/isobar',
}
const exampleOf = (flag: string): string => `${flag} ${examples[flag] ?? '<name>'}`

/** `isobar site leave` */
export async function leave(call: Call): Promise<void> {
  const [key = ''] = call.args
  const path = pathOf(key)
  if (call.flag('gone') && (call.flag('drain') || call.flag('stop')))
    throw new CliFault('where a site is gone, nothing is there to wait for or to stop', {
      code: exitCodes.usage,
      next: [`isobar site leave ${key} --gone`],
    })
  const api = await call.api()
  const there = await api.get<SiteView>(path)
  const how = call.flag('gone') ? '?gone=true' : (await wantsStop(call, there)) ? '?stop=true' : ''
  const begun = await api.send<LeavingView>('DELETE', `${path}${how}`)
  if (!isForPeople(call)) await showOne(call, { data: { ...there, leaving: begun }, name: () => key, people: () => '' })
  if (call.flag('begin')) return note(call.io, `${key} is being left. next: isobar sites`)
  await interruptible((signal) => untilLeft(call, { api, path, key }, signal))
  note(call.io, `${key} is left${call.flag('gone') ? '' : ': nothing of ours is there'}`)
}

function pathOf(key: string): string {
  const [provider = '', name = '', ...more] = key.split('/')
  if (provider !== '' && name !== '' && more.length === 0)
    return `/v1/sites/${encodeURIComponent(provider)}/${encodeURIComponent(name)}`
  throw new CliFault(`"${key}" is no site: its name is like kubernetes/east`, {
    code: exitCodes.usage,
    next: ['isobar sites'],
  })
}

/** Whether what runs there is to be stopped. Where something runs, somebody has to say so. */
async function wantsStop(call: Call, { site, leases, leaving }: SiteView): Promise<boolean> {
  if (call.flag('stop') || call.flag('drain')) return call.flag('stop')
  if (leases === 0 || leaving) return false
  const what = `${count(leases, 'gang')} of ours ${leases === 1 ? 'is' : 'are'} at ${site}`
  if (!canAsk(call.io))
    throw new CliFault(what, {
      code: exitCodes.usage,
      why: 'Nothing was changed.',
      next: [
        `isobar site leave ${site} --drain (waits until they have ended)`,
        `isobar site leave ${site} --stop (ends them in good order; they start again elsewhere)`,
      ],
    })
  const answer = (await ask(call.io, `${what}. Wait for them, or stop them so that they start elsewhere? [wait/stop] `))
    ?.trim()
    .toLowerCase()
  if (answer === 'wait' || answer === 'stop') return answer === 'stop'
  throw new CliFault('nothing was changed', { code: exitCodes.interrupted })
}

const pollMs = 500

type Leaving = { api: Api; path: string; key: string }

/** Tells what remains, whenever that changes, until nothing does or only what somebody else has to end. */
async function untilLeft(call: Call, { api, path, key }: Leaving, signal: AbortSignal): Promise<void> {
  const session = createSession(call.io, api)
  for (let told = ''; ; await sleep(pollMs, undefined, { signal })) {
    const site = await session.keep((now) => now.get<SiteView>(path).catch(ifGone), signal)
    if (site === null) return
    const remains = site.leaving?.remains ?? []
    const text = remains.map(({ what }) => what).join('; ')
    if (text !== told && text !== '') note(call.io, `${key}: ${plain(text)}`)
    told = text
    const held = remains.filter(({ fix }) => fix !== null)
    if (held.length > 0 && held.length === remains.length - (site.leases > 0 ? 1 : 0))
      throw new CliFault(`${key} cannot be left yet`, {
        code: exitCodes.stillRunning,
        why: held.map(({ what }) => what).join('\n'),
        next: [...new Set(held.flatMap(({ fix }) => fix ?? [])), `isobar site leave ${key} (goes on)`],
      })
  }
}

function ifGone(error: unknown): null {
  if (error instanceof CliFault && error.code === exitCodes.notFound) return null
  throw error
}
