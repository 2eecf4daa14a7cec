import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { ProviderName, Tier } from '#model/names.ts'
import { OfferTerms } from '#model/offer.ts'
import { siteKey } from '#model/site.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { money, time } from '#api/show.ts'
import { OfferList, SiteList, type OfferView } from '#api/views.ts'

const sites = createRoute({
  method: 'get',
  path: '/v1/sites',
  tags: ['sites'],
  summary: 'Sites, and whether they answer.',
  responses: answers(200, SiteList, 'All sites.'),
})

const offers = createRoute({
  method: 'get',
  path: '/v1/offers',
  tags: ['sites'],
  summary: 'What one can get, where and at which price; the cheapest first.',
  request: {
    query: z.object({
      provider: ProviderName.optional(),
      site: z.string().max(200).optional().meta({ description: 'provider/name' }),
      tier: Tier.optional(),
      accelerator: z.string().max(60).optional().meta({ description: 'Model, such as H200.' }),
    }),
  },
  responses: answers(200, OfferList, 'Offers as last heard.'),
})

export function siteRoutes(app: Api, house: ApiHouse): void {
  app.openapi(sites, async (c) => {
    const { list, count, kept } = house.store.sites
    const [rows, keptAt] = await Promise.all([list(), kept()])
    const leases = await Promise.all(rows.map(({ site }) => count(site)))
    const items = rows.map(({ info, nodes, offers: offered, ...reach }, index) => ({
      site: siteKey(info),
      jurisdictions: info.jurisdictions,
      patienceMs: info.patienceMs,
      reach: reach.reach,
      since: time(reach.since),
      detail: reach.detail,
      nodes: nodes?.length ?? null,
      offers: offered.length,
      leases: leases[index] ?? 0,
      kept: keptAt.get(siteKey(info)) ?? 0,
    }))
    return c.json({ items }, 200)
  })

  app.openapi(offers, async (c) => {
    const query = c.req.valid('query')
    const items = (await allOffers(house)).filter(
      ({ provider, site, tier, shape }) =>
        (query.provider ?? provider) === provider &&
        (query.site ?? site) === site &&
        (query.tier ?? tier) === tier &&
        (query.accelerator === undefined || shape.accelerator?.toLowerCase() === query.accelerator.toLowerCase()),
    )
    return c.json({ items }, 200)
  })
}

async function allOffers(house: ApiHouse): Promise<OfferView[]> {
  const rows = await house.store.sites.list()
  return rows
    .flatMap(({ info, offers: offered, reach }) => offered.map((offer) => ({ info, offer, reach })))
    .toSorted((a, b) => a.offer.priceMicros - b.offer.priceMicros)
    .map(({ info, offer, reach }) => ({
      site: siteKey(info),
      provider: offer.provider,
      tier: offer.tier,
      shape: offer.shape,
      divisible: offer.divisible,
      pricePerHour: money(offer.priceMicros),
      available: offer.available ?? null,
      jurisdictions: info.jurisdictions,
      reach,
      source: offer.source,
      terms: OfferTerms.parse(offer),
      asOf: time(offer.asOf),
    }))
}
