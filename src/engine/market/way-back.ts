import type { Spec } from '#model/spec/spec.ts'

/** From its end to what is placed next: its nodes are shown as given back, and somebody looks. */
const goneMs = 60_000

/** How long it takes who leaves what it holds until it may be placed elsewhere: its grace to save its work, and a little more. */
export const leavingMs = ({ checkpoint }: Pick<Spec, 'checkpoint'>): number => checkpoint.graceMs + goneMs

/** Whoever had to leave stays so long where it is then. */
export const staysMs = 3_600_000

/** What is expected to be paid from now on by who stays on on-demand capacity, and by who goes back; in one unit. */
type WayBack = {
  stays: number
  goes: number
  /** What it costs to have gone in vain: a start on on-demand capacity, and the work that is done again. */
  inVain: number
}

/** Whether to go back is cheaper even for who has to return once more than is expected. */
export const pays = ({ stays, goes, inVain }: WayBack): boolean => goes + inVain < stays
