import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { limits } from '#agent/limits.ts'
import type { CheckView } from '#api/server-views.ts'
import type { Clock } from '#kit/clock.ts'
import type { Store } from '#store/store.ts'

export type Examined = {
  home: string
  store: Store
  clock: Clock
}

/** Free space below which the disk is said to be nearly full. */
const leastFreeMiB = 1024
const slowMs = 50
/** A wall clock that is this far from the house's time was set. */
const stepMs = 2000
const staleOffersMs = 5 * 60_000

/** Looks at all that the server depends on. What is not right says how to mend it. */
export async function examine(subject: Examined): Promise<CheckView[]> {
  const checks = [
    checkHome(subject),
    checkDisk(subject),
    checkDatabase(subject),
    checkClock(subject),
    checkLimits(),
    checkAccelerators(),
    checkSites(subject),
    checkOffers(subject),
  ]
  return Promise.all(checks.map((check) => check.catch(failed)))
}

const failed = (error: unknown): CheckView => ({
  name: 'check',
  ok: false,
  detail: `a check could not be made: ${error instanceof Error ? error.message : String(error)}`,
  fix: 'isobar server status',
})

const check = (name: string, ok: boolean, [detail, fix]: [detail: string, fix: string]): CheckView => ({
  name,
  ok,
  detail,
  fix: ok ? '' : fix,
})

/** Something that could be better, without which everything works. */
const advice = (name: string, ok: boolean, texts: [detail: string, fix: string]): CheckView => ({
  ...check(name, ok, texts),
  ...(ok ? {} : { warning: true }),
})

async function checkHome({ home }: Examined): Promise<CheckView> {
  const open = [home, join(home, 'token'), join(home, 'key')].filter(
    (path) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0,
  )
  const detail = open.length === 0 ? `${home} is closed to others` : `others may read ${open.join(', ')}`
  return check('state directory', open.length === 0, [detail, `chmod go= ${open.join(' ')}`])
}

async function checkDisk({ home }: Examined): Promise<CheckView> {
  const { bavail, bsize } = await statfs(home)
  const freeMiB = Math.floor((bavail * bsize) / 1024 / 1024)
  const detail = `${(freeMiB / 1024).toFixed(1)} GB free at ${home}`
  return check('disk', freeMiB >= leastFreeMiB, [detail, `free some space: du -xsh ${home}/* | sort -h`])
}

async function checkDatabase({ store }: Examined): Promise<CheckView> {
  const began = performance.now()
  try {
    await store.projects.list()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return check('database', false, [`it does not answer: ${why}`, 'isobar server stop && isobar server start'])
  }
  const took = performance.now() - began
  return advice('database', took < slowMs, [
    `answers in ${took.toFixed(1)} ms`,
    'look for what keeps the disk busy: iostat -x 1',
  ])
}

async function checkClock({ clock }: Examined): Promise<CheckView> {
  const step = Date.now() - clock.now()
  const detail =
    Math.abs(step) < stepMs
      ? 'the wall clock runs with the time of the house'
      : `the wall clock was set by ${(step / 1000).toFixed(1)} s; the house goes on with its own time`
  return advice('clock', Math.abs(step) < stepMs, [
    detail,
    'when nothing runs: isobar server stop, then remove clock.json',
  ])
}

async function checkLimits(): Promise<CheckView> {
  const { ok, detail } = limits()
  const fix =
    'start the server where a cgroup is delegated to it: systemd-run --user --scope -p Delegate=yes isobar serve'
  return advice('limits', ok, [
    ok ? `ranks are held to their slice: ${detail}` : `ranks may take more than their slice: ${detail}`,
    fix,
  ])
}

async function checkAccelerators(): Promise<CheckView> {
  const query = ['--query-gpu=name', '--format=csv,noheader']
  const found = await promisify(execFile)('nvidia-smi', query, { timeout: 5000 }).catch((error: unknown) => error)
  if (found instanceof Error) {
    const absent = 'code' in found && found.code === 'ENOENT'
    const detail = absent
      ? 'none: there is no nvidia-smi on this machine'
      : `nvidia-smi fails: ${found.message.split('\n')[0]}`
    return check('accelerators', absent, [detail, 'nvidia-smi'])
  }
  const { stdout } = found as { stdout: string } // what execFile gives when it does not fail
  return check('accelerators', true, [stdout.trim().split('\n').join(', '), ''])
}

async function checkSites({ store }: Examined): Promise<CheckView> {
  const sites = await store.sites.list()
  const silent = sites.filter(({ reach }) => reach !== 'reachable')
  if (sites.length === 0) return check('sites', false, ['there is none', 'write a sites.yaml: isobar sites --help'])
  const detail =
    silent.length === 0
      ? `${sites.map(({ site }) => site).join(', ')} answer`
      : silent.map(({ site, reach, detail: why }) => `${site} is ${reach}${why === '' ? '' : ` (${why})`}`).join('; ')
  const warned = sites.filter(({ reach, detail: why }) => reach === 'reachable' && why !== '')
  if (silent.length > 0 || warned.length === 0) return check('sites', silent.length === 0, [detail, 'isobar sites'])
  const soon = warned.map(({ site, detail: why }) => `${site}: ${why}`)
  return advice('sites', false, [soon.join('; '), 'isobar sites'])
}

async function checkOffers({ store, clock }: Examined): Promise<CheckView> {
  const sites = await store.sites.list()
  const old = sites.filter(({ offers }) => offers.every(({ asOf }) => clock.now() - asOf > staleOffersMs))
  const detail =
    old.length === 0 ? 'all are fresh' : `${old.map(({ site }) => site).join(', ')} had none for five minutes`
  return advice('offers', old.length === 0, [detail, 'isobar sites'])
}
