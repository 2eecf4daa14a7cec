import type { Invariant } from './invariant.ts'
import { endedStaysEnded, statesMoveAsTheirTablesSay } from './moves.ts'

/** A checker of each invariant, for one world. */
export const createInvariants = (): Invariant[] => [statesMoveAsTheirTablesSay(), endedStaysEnded()]
