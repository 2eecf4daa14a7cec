import { readFileSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { readLog } from '#kit/bounded-log.ts'
import { identify } from '#kit/processes.ts'
import { agentFiles, type RankEnd, type RankStart } from '#model/agent-folder.ts'
import { type GangAsk, mostPiece } from '#model/gang-relay.ts'

import type { Relay } from './gang-relay.ts'

const lookMs = 400

/** Tells the control plane what stands in the folder of a rank, for as long as that runs. */
export type Mirror = {
  /** Resolves once all that stands there now was told, or nobody wants to know it any more. */
  told(): Promise<void>
}

/**
 * Looks at the folder of a rank, the working directory, and tells what is new: first what it wrote, then how it is, so
 * that a rank is never shown as ended before its last word is there.
 */
export function startMirror(rank: number, relay: Relay): Mirror {
  const { pid, started } = identify(process.pid) ?? { pid: process.pid, started: '' }
  const who = { ask: 'tell', rank, agent: { pid, started } } as const
  const so = { from: 0, known: '', isOver: false }
  let telling: Promise<void> = Promise.resolve()

  async function tell(ask: GangAsk): Promise<void> {
    if ((await relay.ask(ask)) === null) so.isOver = true
  }

  async function tellNews(): Promise<void> {
    if (so.isOver) return
    const state = { start: readStart(), end: read<RankEnd>(agentFiles.end) ?? null, taken: isThere(agentFiles.taken) }
    while (!so.isOver) {
      const piece = await readLog(agentFiles.output, { from: so.from, most: mostPiece })
      if (piece.bytes.length === 0) break
      const output = { from: piece.from, bytes: Buffer.from(piece.bytes).toString('base64') }
      await tell({ ...who, ...state, end: null, output })
      so.from = piece.from + piece.bytes.length
    }
    const news = JSON.stringify(state)
    if (so.isOver || news === so.known) return
    await tell({ ...who, ...state, output: null })
    so.known = news
  }

  // A disk that cannot be read just now has it told by the next look.
  const told = (): Promise<void> => (telling = telling.then(tellNews).catch(() => undefined))
  void (async () => {
    while (!so.isOver) {
      await told()
      await pause(lookMs)
    }
  })()
  return { told }
}

function readStart(): { startedAt: number } | null {
  const start = read<RankStart>(agentFiles.start)
  return start ? { startedAt: start.startedAt } : null
}

/** A file of the agent; nothing where there is none yet, or only a part of it. */
function read<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T // written by this very process
  } catch {
    return undefined
  }
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined
