import { plantedInAgents } from './planted-agents.ts'
import { plantedInMoney } from './planted-money.ts'
import { plantedInRows } from './planted-rows.ts'
import { plantedInWork } from './planted-work.ts'
import { plantedInTopology } from './planted-topology.ts'
import type { Planted } from './planted-world.ts'

/** For each invariant a fault that breaks exactly what it says, put into the part of the house that keeps it. */
export const allPlanted: readonly Planted[] = [
  ...plantedInWork,
  ...plantedInAgents,
  ...plantedInRows,
  ...plantedInMoney,
  ...plantedInTopology,
]
