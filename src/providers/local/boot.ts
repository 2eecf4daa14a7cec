import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { agentFiles } from '#model/agent-folder.ts'
import { isThere } from '#providers/kept-folder.ts'

/** An agent that has not come up by then is no longer waited for: something else keeps it. */
const mostBootMs = 5_000

type Booting = { folder: string; since: number; isOver: boolean }

/** Starts an agent in a folder; `ended` is to be called when its process has. */
export type Boot = (folder: string, start: (ended: () => void) => Promise<void>) => Promise<void>

/**
 * Agents that come up at the same time share the processors with all that runs already, and with the control plane: of a
 * thousand at once none is up in time. So each waits until fewer than `most` of those that were started here are on their
 * way, one after the other.
 */
export function createBoot(most = 4 * availableParallelism()): Boot {
  let booting: Booting[] = []
  let turn: Promise<unknown> = Promise.resolve()
  const room = async (): Promise<void> => {
    while (booting.length >= most) {
      const still = await Promise.all(booting.map(isBooting))
      booting = booting.filter((_, at) => still[at])
      if (booting.length >= most) await sleep(5)
    }
  }
  return async (folder, start) => {
    const mine = { folder, since: 0, isOver: false }
    const admitted = turn.then(async () => {
      await room()
      mine.since = performance.now()
      booting.push(mine)
    })
    turn = admitted
    await admitted
    await start(() => (mine.isOver = true))
  }
}

async function isBooting({ folder, since, isOver }: Booting): Promise<boolean> {
  return !isOver && performance.now() < since + mostBootMs && !(await isThere(join(folder, agentFiles.agent)))
}
