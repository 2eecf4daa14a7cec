/** What was seen of markets. */
export type MarketHistory = {
  /**
   * Of each spot shape at a site: for how long its nodes were held, in hours, and how many leases were lost there. What
   * ended counts half after the half-life.
   */
  spot(options: {
    site: string
    now: number
    halfLifeMs: number
  }): Promise<{ shape: string; nodeHours: number; taken: number }[]>
  /** How many sites answer, and a text that is another when a site, its reach or its offers are. */
  sites(): Promise<{ count: number; version: string }>
  /** Bytes of data sets that left each site for work elsewhere that was started since then. */
  sent(since: number): Promise<Map<string, bigint>>
}
