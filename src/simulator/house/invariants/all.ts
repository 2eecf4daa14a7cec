import { nothingGrowsWithoutBound, whoAsksIsLeftAlone } from './bounded.ts'
import { gangsHaveWhatIsTheirs } from './apart.ts'
import { gangsStandAsAsked } from './domains.ts'
import { aTokenIsOneOrder, nothingIsDoneUnintended } from './intent.ts'
import type { Invariant } from './invariant.ts'
import { endsAreSeenTo, nobodyIsMute, nothingIsForgotten, rowsAgree } from './kept.ts'
import { nothingIsLeaked, nothingIsLeft, tagsAreTrue } from './leaked.ts'
import { budgetsHold, budgetsStopInTime } from './limits.ts'
import { entriesNeverChange, spentIsTheSum, theLedgerAgreesWithTheBill, theLedgerIsExact } from './money.ts'
import { endedStaysEnded, statesMoveAsTheirTablesSay } from './moves.ts'
import { noticeIsHeeded } from './notice.ts'
import { overtimeIsReal } from './overtime.ts'
import { claimsGoUp, noNodeIsGivenTwice, offersAreNotOversubscribed } from './owner.ts'
import { quotasHold } from './quotas.ts'
import { readersMissNothing } from './readers.ts'
import { ranksAreWhereItIsSaid } from './seats.ts'
import { sharesHold } from './shares.ts'
import { tablesAreAsLargeAsTheirWork } from './tables-bounded.ts'
import { tasksCountOnce } from './tasks.ts'
import { endsAreExplained, eventsAreInOrder, everythingEndsOrWaits, whoWaitsIsTold } from './told.ts'
import { attemptsAreNumbered, nothingRunsTwice } from './twice.ts'
import { newWorkGoesElsewhere, unknownIsLeftAlone, verdictsHaveCauses } from './unknown.ts'
import { workIsWhereItMayBe } from './where.ts'
import { gangsAreWhole, preemptedWhole } from './whole.ts'

/** A checker of each invariant, for one world, in the order of the rules that they stand for. */
export const createInvariants = (): Invariant[] => [
  nothingIsDoneUnintended(),
  aTokenIsOneOrder(),
  tagsAreTrue(),
  nothingIsForgotten(),
  nothingIsLeaked(),
  nothingIsLeft(),
  endsAreSeenTo(),
  nobodyIsMute(),
  noticeIsHeeded(),
  verdictsHaveCauses(),
  statesMoveAsTheirTablesSay(),
  endedStaysEnded(),
  rowsAgree(),
  noNodeIsGivenTwice(),
  ranksAreWhereItIsSaid(),
  offersAreNotOversubscribed(),
  claimsGoUp(),
  gangsAreWhole(),
  gangsStandAsAsked(),
  gangsHaveWhatIsTheirs(),
  preemptedWhole(),
  nothingRunsTwice(),
  attemptsAreNumbered(),
  tasksCountOnce(),
  unknownIsLeftAlone(),
  newWorkGoesElsewhere(),
  overtimeIsReal(),
  whoWaitsIsTold(),
  endsAreExplained(),
  everythingEndsOrWaits(),
  eventsAreInOrder(),
  readersMissNothing(),
  entriesNeverChange(),
  theLedgerIsExact(),
  spentIsTheSum(),
  theLedgerAgreesWithTheBill(),
  workIsWhereItMayBe(),
  sharesHold(),
  budgetsHold(),
  budgetsStopInTime(),
  quotasHold(),
  nothingGrowsWithoutBound(),
  tablesAreAsLargeAsTheirWork(),
  whoAsksIsLeftAlone(),
]
