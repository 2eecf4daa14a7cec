import { readFileSync } from 'node:fs'

import { createLogWriter } from '#kit/bounded-log.ts'
import { agentFiles, type AgentOrder, type StopOrder } from '#model/agent-folder.ts'

import { createControlPlane } from './control-plane.ts'
import { openOutput } from './output.ts'
import { Rank } from './rank.ts'
import { fetchWorkdir } from './workdir.ts'

const longPollMs = 20_000
/** A credential that nobody knows may be known again (a restored database); after this long it is over. */
const mostDeniedMs = 15 * 60_000
/** After SIGTERM the machine may go away at any moment: what cannot be reported within this stays on disk. */
const mostFarewellMs = 2000

/** Runs one rank from its arrival to the acknowledged report of its end. */
export async function runAgent(order: AgentOrder): Promise<void> {
  const news = createNews()
  const controlPlane = createControlPlane({ addresses: order.controlPlanes, credential: order.credential })
  const diary = createLogWriter('diary', 64 * 1024)
  process.on('uncaughtExceptionMonitor', (error) => diary.write(Buffer.from(`${error.stack}\n`)))
  const rank = new Rank({
    order,
    output: openOutput(),
    changed: news.tell,
    fetchWorkdir: (go, folder) => fetchWorkdir({ controlPlane, go, folder }),
  })
  let noticeAt: number | undefined
  process.on('SIGTERM', () => {
    noticeAt ??= Date.now()
    rank.stop(readStop()?.graceMs ?? order.graceMs)
    news.tell()
  })

  let seen = ''
  let number = 0
  let deniedSince: number | undefined
  for (;;) {
    const urgent = news.take()
    const sentAt = Date.now()
    const report = { ...rank.report(), number: ++number, sentAt, seen, waitMs: urgent ? 0 : longPollMs }
    const reply = await controlPlane.sync(report, news.listen(!urgent))
    if (reply.kind === 'answer') {
      deniedSince = undefined
      if (reply.answer.fenced) break
      rank.hear(reply.answer, report)
      if (report.state === 'exited') return
      // A control plane that keeps answering at once with nothing new must not keep us busy.
      if (!urgent && reply.answer.version === seen && Date.now() - sentAt < 50) await news.pause(200)
      seen = reply.answer.version
      continue
    }
    if (urgent) news.keep()
    if (reply.kind === 'aborted') continue
    diary.write(Buffer.from(`${new Date().toISOString()} ${reply.kind}: ${reply.detail.slice(0, 300)}\n`))
    if (noticeAt !== undefined && report.state === 'exited' && Date.now() - (report.endedAt ?? 0) > mostFarewellMs)
      return
    if (reply.kind === 'denied') deniedSince ??= Date.now()
    if (deniedSince !== undefined && Date.now() - deniedSince > mostDeniedMs) break
    await news.pause(controlPlane.pauseMs())
  }
  rank.stop(0)
  await rank.over
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
