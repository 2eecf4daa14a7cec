import { accessSync, constants, statfsSync } from 'node:fs'

import type { CheckView, DoctorView } from '#api/server-views.ts'
import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { homeOf } from '#cli/home.ts'
import { note, plain } from '#cli/io.ts'
import { showList } from '#cli/output/show.ts'
import { makeFolderSync } from '#kit/make-folder.ts'

const leastFreeBytes = 1024 ** 3

/** `isobar doctor`: what can be checked without a server first, then what the server finds. 1 when something fails. */
export async function doctor(call: Call): Promise<number> {
  const checks: CheckView[] = [nodeCheck(), ...(await serverChecks(call))]
  await showList(call, {
    data: { checks },
    items: checks,
    columns: [
      { title: 'OK', cell: verdictOf, paint: (one) => paints[verdictOf(one)] },
      { title: 'CHECK', cell: ({ name }) => name },
      { title: 'DETAIL', cell: ({ detail }) => detail, text: true, wrap: true },
    ],
    name: ({ name }) => name.replaceAll(' ', '-'),
    empty: 'Nothing was checked.',
  })
  const wrong = checks.filter(({ ok }) => !ok)
  for (const { name, fix } of wrong) note(call.io, `next: ${plain(fix)} (${name})`)
  return wrong.some((one) => verdictOf(one) === 'no') ? exitCodes.failed : exitCodes.done
}

const verdictOf = ({ ok, warning }: CheckView): keyof typeof paints => (ok ? 'yes' : warning ? 'warning' : 'no')
const paints = { yes: 'green', warning: 'yellow', no: 'red' } as const

function nodeCheck(): CheckView {
  const ok = Number(process.versions.node.split('.')[0]) >= 24
  return { name: 'node', ok, detail: `Node ${process.version}`, fix: ok ? '' : 'npm ci, or install Node 24 or newer' }
}

function homeCheck(call: Call): CheckView {
  const home = homeOf(call.io)
  const name = 'state directory'
  try {
    makeFolderSync(home)
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK)
    const { bavail, bsize } = statfsSync(home)
    const free = bavail * bsize
    const detail = `${home}, ${(free / 1024 ** 3).toFixed(1)} GB free`
    return { name, ok: free >= leastFreeBytes, detail, fix: 'free some space, or set ISOBAR_HOME to a larger disk' }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { name, ok: false, detail, fix: 'set ISOBAR_HOME to a directory that you may write' }
  }
}

async function serverChecks(call: Call): Promise<CheckView[]> {
  try {
    const api = await call.api()
    const { checks } = await api.get<DoctorView>('/v1/doctor')
    return [{ name: 'server', ok: true, detail: api.url, fix: '' }, ...checks]
  } catch (error) {
    if (!(error instanceof CliFault)) throw error
    const detail = [error.message, error.why].filter(Boolean).join(': ')
    return [homeCheck(call), { name: 'server', ok: false, detail, fix: error.next[0] ?? 'isobar serve' }]
  }
}
