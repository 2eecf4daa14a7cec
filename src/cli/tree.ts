import type { CommandSpec } from './call.ts'
import { change } from './tree/change.ts'
import { look } from './tree/look.ts'
import { money } from './tree/money.ts'
import { run } from './tree/run.ts'
import { setUp } from './tree/set-up.ts'
import { simulate } from './tree/simulate.ts'

/** All commands. Help, completion and the reference are made from it. */
export const tree: readonly CommandSpec[] = [...run, ...look, ...simulate, ...change, ...money, ...setUp]
