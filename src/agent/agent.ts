import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'

import { createLogWriter } from '#kit/bounded-log.ts'
import { agentFiles, type AgentOrder, type StopOrder } from '#model/agent-folder.ts'
import type { Go } from '#model/agent-protocol.ts'

import type { ControlPlane } from './control-plane.ts'
import { containerOutput, openOutput } from './output.ts'
import { makePipe } from './pipe.ts'
import { Rank } from './rank.ts'
import { fetchWorkdir } from './workdir.ts'

const longPollMs = 20_000
/** A credential that nobody knows may be known again (a restored database); after this long it is over. */
const mostDeniedMs = 15 * 60_000
/** After SIGTERM the machine may go away at any moment: what cannot be reported within this stays on disk. */
const mostFarewellMs = 2000

/** How to start without being told to go by an answer. */
type Begin = { go: Go; pipe: Promise<string> }

/** What else must know of the end of a rank before it is reported. */
type Besides = { kept?: () => Promise<void> }

/** Runs one rank from its arrival, or at once from its start, to the acknowledged report of its end. */
export async function runAgent(order: AgentOrder, begin: Begin | null, { kept }: Besides = {}): Promise<void> {
  const news = createNews()
  let dialled: Promise<ControlPlane> | undefined
  const dial = () => (dialled ??= open(order))
  const diary = createLogWriter('diary', 64 * 1024)
  process.on('uncaughtExceptionMonitor', (error) => diary.write(Buffer.from(`${error.stack}\n`)))
  const rank = new Rank({
    order,
    output: order.container
      ? Promise.resolve(containerOutput)
      : openOutput(begin ? begin.pipe : afterFirstReport(dial()).then(makePipe)),
    changed: news.tell,
    ...(kept && { kept }),
    fetchWorkdir: (go, folder) => (order.container ? Promise.resolve() : fetchWorkdir({ dial, go, folder })),
  })
  let noticeAt: number | undefined
  let taken = false
  process.on('SIGTERM', () => {
    noticeAt ??= Date.now()
    // Whoever took it away tells of it: an end that comes of that must not pass for the rank's own.
    taken ||= order.confined === true && rank.report().state !== 'exited' && readStop() === undefined && noteTaken()
    rank.stop(readStop()?.graceMs ?? order.graceMs)
    news.tell()
  })

  // Who may start already does so before it loads what it dials with.
  if (begin) await rank.start(begin.go)
  const controlPlane = await dial()
  let seen = ''
  let number = 0
  let deniedSince: number | undefined
  for (;;) {
    const urgent = news.take()
    const sentAt = Date.now()
    if (taken) break
    const report = { ...rank.report(), number: ++number, sentAt, seen, waitMs: urgent ? 0 : longPollMs }
    const reply = await controlPlane.sync(report, news.listen(!urgent))
    if (reply.kind === 'answer') {
      deniedSince = undefined
      if (reply.answer.fenced) break
      rank.hear(reply.answer, report)
      if (report.state === 'exited') return
      // Else it is kept when we end, which may be in weeks: of those that start meanwhile each would compile for itself.
      flushCompileCache()
      // A control plane that keeps answering at once with nothing new must not keep us busy.
      if (!urgent && reply.answer.version === seen && Date.now() - sentAt < 50) await news.pause(200)
      seen = reply.answer.version
      continue
    }
    if (urgent) news.keep()
    if (reply.kind === 'aborted') continue
    diary.write(Buffer.from(`${new Date().toISOString()} ${reply.kind}: ${reply.detail.slice(0, 300)}\n`))
    if (report.state === 'exited' && isFolderRemoved()) return
    if (noticeAt !== undefined && report.state === 'exited' && Date.now() - (report.endedAt ?? 0) > mostFarewellMs)
      return
    if (reply.kind === 'denied') deniedSince ??= Date.now()
    if (deniedSince !== undefined && Date.now() - deniedSince > mostDeniedMs) break
    await news.pause(controlPlane.pauseMs())
  }
  rank.stop(taken ? order.graceMs : 0)
  await rank.over
}

/**
 * Whether whoever may want to know how the rank ended has removed the folder that we stand in. It has a link still where it
 * was only moved; where its disk is away it cannot be asked. Some file systems never say so: then we stay.
 */
function isFolderRemoved(): boolean {
  try {
    return statSync('.').nlink === 0
  } catch {
    return false
  }
}

function noteTaken(): true {
  try {
    writeFileSync(agentFiles.taken, JSON.stringify({ at: Date.now() }), { mode: 0o600 })
  } catch {
    // The disk is away: then the end of the rank is not told either.
  }
  return true
}

/** Others may be waiting for the first report: it leaves before a process is forked. */
async function afterFirstReport(dialled: Promise<unknown>): Promise<void> {
  await dialled
  await new Promise(setImmediate)
}

async function open({ controlPlanes, credential }: AgentOrder): Promise<ControlPlane> {
  const { createControlPlane } = await import('./control-plane.ts')
  return createControlPlane({ addresses: controlPlanes, credential })
}

/** Grace that whoever sent SIGTERM left beside us; nothing when it came from the machine. */
function readStop(): StopOrder | undefined {
  try {
    return JSON.parse(readFileSync(agentFiles.stop, 'utf8')) as StopOrder // written by whoever started us
  } catch {
    return undefined
  }
}

/** Whether there is something to report, and the one place where the loop waits while there is not. */
function createNews() {
  let some = true
  let waiting: AbortController | undefined
  let timer: NodeJS.Timeout | undefined
  const wake = () => {
    timer = undefined
    waiting?.abort()
  }
  return {
    tell(delayMs = 0) {
      some = true
      if (delayMs === 0) wake()
      else timer ??= setTimeout(wake, delayMs)
    },
    take() {
      const had = some
      some = false
      return had
    },
    keep() {
      some = true
    },
    /** A signal for the call that follows: it aborts on news if the call only waits for the other side's. */
    listen(only: boolean): AbortSignal {
      const current = new AbortController()
      waiting = only ? current : undefined
      return current.signal
    },
    pause(milliseconds: number): Promise<void> {
      const current = new AbortController()
      waiting = current
      return new Promise((resolve) => {
        const due = setTimeout(resolve, milliseconds)
        current.signal.addEventListener('abort', () => (clearTimeout(due), resolve()), { once: true })
      })
    },
  }
}
