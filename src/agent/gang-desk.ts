import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

import { writeDurably } from '#kit/durable-file.ts'
import { madeFirst } from '#kit/first.ts'
import {
  type GangClaim,
  gangFiles,
  type GangNodes,
  type GangOrder,
  type GangOver,
  leaderBeatMs,
} from '#model/gang-folder.ts'

/** A gang as one of its ranks needs it: at least those are in it that share its node. */
export type JoinedGang = { order: GangOrder; nodes: GangNodes }

/** Where who leads a gang, and its ranks, find what they are to do and leave what became of it. */
export type GangDesk = {
  /** The order, if this job is the one that runs it; null for every other one. */
  claim(): Promise<GangOrder | null>
  /** For those: something that changes as long as who has the claim lives; null once nobody runs it any more. */
  rival(): Promise<number | null>
  publish(nodes: GangNodes): Promise<void>
  /** Who has the claim lives. Gives the stop order of now as text, empty where there is none; what was told last if unknown. */
  beat(): Promise<string>
  /** All ranks have ended; `said` is what this job printed. */
  over(said: string): Promise<void>
  join(rank: number): Promise<JoinedGang>
  /** How long from one beat to the next. */
  readonly everyMs: number
}

/** The folder itself, on a disk that the nodes see. Throws where it is not: no folder, no order. */
export function deskInFolder(folder: string): GangDesk {
  const at = (name: string) => join(folder, name)
  const read = (name: string): unknown => JSON.parse(readFileSync(at(name), 'utf8'))
  const order = () => read(gangFiles.order) as GangOrder // written by whoever submitted the job
  let stop = ''
  let touchedAt = 0
  return {
    everyMs: 300,
    async claim() {
      const found = order()
      const { SLURM_JOB_ID = '', SLURM_RESTART_COUNT = '0' } = process.env
      const own = at(`${gangFiles.claim}.${SLURM_JOB_ID}.${SLURM_RESTART_COUNT}.${process.pid}`)
      const text = JSON.stringify({ job: SLURM_JOB_ID } satisfies GangClaim)
      return madeFirst(at(gangFiles.claim), { own, text }) ? found : null
    },
    async rival() {
      if (existsSync(at(gangFiles.over)) || !existsSync(at(gangFiles.claim))) return null
      const claim = read(gangFiles.claim) as GangClaim // written by another of us
      return claim.job === null ? null : statSync(at(gangFiles.claim)).mtimeMs
    },
    publish: async (nodes) => writeDurably(at(gangFiles.nodes), JSON.stringify(nodes)),
    async beat() {
      const now = Date.now()
      try {
        if (Math.abs(now - touchedAt) >= leaderBeatMs) {
          utimesSync(at(gangFiles.claim), now / 1000, now / 1000)
          touchedAt = now
        }
        stop = readFileSync(at(gangFiles.stop), 'utf8')
      } catch {
        // There is none yet; or the disk is away for a while, or the folder for good.
      }
      return stop
    },
    over: async () => writeDurably(at(gangFiles.over), JSON.stringify({ endedAt: Date.now() } satisfies GangOver)),
    join: async () => ({ order: order(), nodes: read(gangFiles.nodes) as GangNodes }), // written by its leader
  }
}
