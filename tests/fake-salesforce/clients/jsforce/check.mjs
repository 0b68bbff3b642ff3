// Runs jsforce, a client written for the real Salesforce, against the fake: what it understands there, it has to understand here.
// Takes from the environment: FAKE_URL, ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN. Ends with 1 at the first difference.
import assert from 'node:assert/strict';
import jsforce from 'jsforce';

const { FAKE_URL: url, ACCESS_TOKEN: accessToken, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret, REFRESH_TOKEN: refreshToken } = process.env;
const version = '62.0';
const oauth2 = { loginUrl: url, clientId, clientSecret };
const conn = new jsforce.Connection({ instanceUrl: url, accessToken, version });

async function promise(name, check) {
  await check();
  console.log(`ok - ${name}`);
}

await promise('describe global and describe', async () => {
  const global = await conn.describeGlobal();
  assert.ok(global.sobjects.length > 30);
  const account = await conn.sobject('Account').describe();
  assert.equal(account.keyPrefix, '001');
  assert.deepEqual(account.fields.find((f) => f.name === 'ParentId').referenceTo, ['Account']);
  assert.ok(account.childRelationships.some((c) => c.childSObject === 'Contact' && c.relationshipName === 'Contacts'));
});

await promise('a query over several pages gives each row once', async () => {
  const { totalSize } = await conn.query('SELECT COUNT() FROM Contact');
  assert.ok(totalSize > 4000);
  const first = await conn.query('SELECT Id, Name, Account.Name FROM Contact');
  assert.equal(first.done, false);
  assert.equal(first.totalSize, totalSize);
  assert.equal(first.records.length, 2000);
  assert.ok(first.records[0].attributes.url.endsWith(first.records[0].Id));
  const second = await conn.queryMore(first.nextRecordsUrl);
  assert.equal(second.records.length, 2000);
  const all = await conn.query('SELECT Id, Name, Account.Name FROM Contact ORDER BY Id', { autoFetch: true, maxFetch: 100_000 });
  assert.equal(new Set(all.records.map((r) => r.Id)).size, totalSize);
  assert.ok(all.records.some((r) => r.Account?.Name));
});

await promise('limitInfo rises by one with each request, composite being one', async () => {
  await conn.query('SELECT Id FROM Organization');
  const { used, limit } = conn.limitInfo.apiUsage;
  assert.ok(limit >= 15_000);
  const base = `/services/data/v${version}`;
  const answer = await conn.request({
    method: 'POST',
    url: `${base}/composite`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      allOrNone: false,
      compositeRequest: [
        { method: 'GET', referenceId: 'describe', url: `${base}/sobjects/Account/describe` },
        { method: 'GET', referenceId: 'page', url: `${base}/query/?q=${encodeURIComponent('SELECT Id FROM Account ORDER BY Id LIMIT 2')}` },
        { method: 'GET', referenceId: 'row', url: `${base}/sobjects/Account/@{page.records[1].Id}` },
        { method: 'GET', referenceId: 'none', url: `${base}/query/?q=${encodeURIComponent('SELECT Id FROM XYZZY')}` },
      ],
    }),
  });
  const [describe, page, row, none] = answer.compositeResponse;
  assert.equal(describe.body.name, 'Account');
  assert.equal(row.body.Id, page.body.records[1].Id);
  assert.equal(none.httpStatusCode, 400);
  assert.equal(none.body[0].errorCode, 'INVALID_TYPE');
  assert.equal(conn.limitInfo.apiUsage.used, used + 1);
  const limits = await conn.limits();
  assert.equal(limits.DailyApiRequests.Max, limit);
});

await promise('a bulk query gives the rows of a query, each once', async () => {
  const soql = 'SELECT Id, Name, Description, AnnualRevenue, SystemModstamp FROM Account';
  const stream = await conn.bulk2.query(soql, { pollInterval: 50, pollTimeout: 60_000 });
  const rows = new Map((await stream.toArray()).map((row) => [row.Id, row]));
  const { records } = await conn.query(soql, { autoFetch: true, maxFetch: 100_000 });
  assert.equal(rows.size, records.length);
  for (const record of records) {
    const row = rows.get(record.Id);
    assert.equal(row.Name, record.Name);
    assert.equal(row.Description, record.Description ?? '');
    assert.equal(row.AnnualRevenue === '' ? null : Number(row.AnnualRevenue), record.AnnualRevenue);
    assert.equal(Date.parse(row.SystemModstamp), Date.parse(record.SystemModstamp));
  }
});

await promise('what bulk queries do not take is refused in Salesforce’s way', async () => {
  const options = { pollInterval: 50, pollTimeout: 60_000 };
  await assert.rejects(conn.bulk2.query('SELECT Id, BillingAddress FROM Account', options), /Selecting compound data/);
  await assert.rejects(conn.bulk2.query('SELECT Id FROM UserPermissionAccess', options), (error) => error.errorCode === 'INVALIDENTITY');
});

await promise('one record is created, read, changed, upserted and deleted', async () => {
  const accounts = conn.sobject('Account');
  const { id, success } = await accounts.create({ Name: 'Ny "kunde" 😀', BillingCity: 'Århus' });
  assert.ok(success);
  const row = await accounts.retrieve(id);
  assert.equal(row.Name, 'Ny "kunde" 😀');
  assert.equal(row.BillingAddress.city, 'Århus');
  assert.ok((await accounts.update({ Id: id, Name: 'Changed', Legacy_Key__c: 'mine' })).success);
  assert.ok((await accounts.upsert({ Legacy_Key__c: 'mine', Phone: '1' }, 'Legacy_Key__c')).success);
  assert.deepEqual(await conn.query(`SELECT Name, Phone FROM Account WHERE Id = '${id}'`).then((r) => [r.records[0].Name, r.records[0].Phone]), ['Changed', '1']);
  await accounts.destroy(id);
  await assert.rejects(accounts.retrieve(id), (error) => error.errorCode === 'NOT_FOUND' || error.errorCode === 'ENTITY_IS_DELETED');
  await assert.rejects(accounts.create({ Phone: '1' }), (error) => error.errorCode === 'REQUIRED_FIELD_MISSING');
});

await promise('collections take 200 records to a request and answer in order', async () => {
  const products = conn.sobject('Product2');
  const before = conn.limitInfo.apiUsage.used;
  const records = Array.from({ length: 200 }, (_, n) => (n === 7 ? { Family: 'Service' } : { Name: `Product ${n}` }));
  const created = await products.create(records, { allowRecursive: true });
  assert.equal(conn.limitInfo.apiUsage.used, before + 1);
  assert.equal(created.length, 200);
  assert.equal(created[7].success, false);
  assert.equal(created[7].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
  const ids = created.filter((r) => r.success).map((r) => r.id);
  assert.equal(ids.length, 199);
  const rows = await products.retrieve(ids);
  assert.equal(rows[7].Name, 'Product 8');
  assert.ok((await products.update(ids.map((Id) => ({ Id, IsActive: true })))).every((r) => r.success));
  assert.ok((await products.destroy(ids)).every((r) => r.success));
  assert.equal(await products.count({ Name: { $like: 'Product %' } }), 0);
});

await promise('bulk ingest writes each row once and gives back ids, errors and the rest', async () => {
  const records = Array.from({ length: 450 }, (_, n) => (n === 7 ? { Name: '', ProductCode: 'J-7' } : { Name: `Bulk "${n}", ☃`, ProductCode: `J-${n}` }));
  const options = { pollInterval: 50, pollTimeout: 60_000 };
  const results = await conn.bulk2.loadAndWaitForResults({ object: 'Product2', operation: 'insert', input: records, ...options });
  assert.equal(results.successfulResults.length, 449);
  assert.equal(results.failedResults.length, 1);
  assert.match(results.failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING:/);
  assert.equal(results.failedResults[0].ProductCode, 'J-7');
  assert.equal(results.unprocessedRecords.length, 0);
  const one = results.successfulResults.find((r) => r.ProductCode === 'J-8');
  assert.equal((await conn.sobject('Product2').retrieve(one.sf__Id)).Name, 'Bulk "8", ☃');
  const upserted = await conn.bulk2.loadAndWaitForResults({
    object: 'Product2', operation: 'upsert', externalIdFieldName: 'ProductCode', input: [{ ProductCode: 'J-8', Name: 'Again' }, { ProductCode: 'J-new', Name: 'New' }], ...options,
  });
  assert.deepEqual(upserted.successfulResults.map((r) => [r.ProductCode, r.sf__Created]).sort(), [['J-8', 'false'], ['J-new', 'true']]);
  const wrong = conn.bulk2.loadAndWaitForResults({ object: 'Product2', operation: 'insert', input: [{ Nope__c: 'x' }], ...options });
  await assert.rejects(wrong, /Field name not found : Nope__c/);
});

await promise('a composite writes rows that refer to rows of an earlier collection in it', async () => {
  const base = `/services/data/v${version}`;
  const rows = (type, list) => ({ allOrNone: false, records: list.map((fields) => ({ attributes: { type }, ...fields })) });
  const answer = await conn.request({
    method: 'POST',
    url: `${base}/composite`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      allOrNone: false,
      compositeRequest: [
        { method: 'POST', referenceId: 'accounts', url: `${base}/composite/sobjects`, body: rows('Account', [{ Name: 'First' }, { Name: 'Second' }]) },
        { method: 'POST', referenceId: 'contacts', url: `${base}/composite/sobjects`, body: rows('Contact', [{ LastName: 'C', AccountId: '@{accounts[1].id}' }]) },
        { method: 'POST', referenceId: 'halted', url: `${base}/composite/sobjects`, body: rows('Contact', [{ LastName: 'D', AccountId: '@{accounts[2].id}' }]) },
      ],
    }),
  });
  const [accounts, contacts, halted] = answer.compositeResponse;
  const contact = await conn.sobject('Contact').retrieve(contacts.body[0].id);
  assert.equal(contact.AccountId, accounts.body[1].id);
  assert.equal(halted.httpStatusCode, 400);
  assert.equal(halted.body[0].errorCode, 'PROCESSING_HALTED');
});

await promise('client credentials log in and tell the org', async () => {
  const session = new jsforce.Connection({ oauth2, version });
  const user = await session.authorize({ grant_type: 'client_credentials' });
  const org = await session.query('SELECT Id FROM Organization');
  assert.equal(user.organizationId, org.records[0].Id);
  assert.equal(session.instanceUrl, url);
});

await promise('an expired session is refreshed by the refresh token', async () => {
  const session = new jsforce.Connection({ oauth2, instanceUrl: url, accessToken: 'expired', refreshToken, version });
  let refreshed = 0;
  session.on('refresh', () => (refreshed += 1));
  assert.equal((await session.query('SELECT Id FROM Organization')).totalSize, 1);
  assert.equal(refreshed, 1);
});

await promise('a wrong secret and a wrong query are refused in Salesforce’s way', async () => {
  const stranger = new jsforce.Connection({ oauth2: { ...oauth2, clientSecret: 'wrong' }, version });
  await assert.rejects(stranger.authorize({ grant_type: 'client_credentials' }), /invalid_client/);
  await assert.rejects(conn.query('SELECT Nonsense FROM Account'), (error) => error.errorCode === 'INVALID_FIELD');
  await assert.rejects(conn.query('SELECT Id FROM'), (error) => error.errorCode === 'MALFORMED_QUERY');
});
