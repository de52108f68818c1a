// A stock @grpc/grpc-js client against the user service: user_client.js PROTO ADDRESS
//
// The checks are those of scripts/python/user_client.py, in the same order.
'use strict';

const assert = require('assert');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const { run, endsWith } = require('./checks');

const { status } = grpc;
const ALICE = { username: 'alice', password_hash: 'wonderland' };
const [, , proto, address] = process.argv;
const { UserService } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true }));

function connect(options) {
  return new UserService(address, grpc.credentials.createInsecure(), options);
}

// A call with one answer as a promise of it.
function one(client, method, request, ...rest) {
  return new Promise((resolve, reject) => {
    client[method](request, ...rest, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function importUsers(client, rows) {
  return new Promise((resolve, reject) => {
    const call = client.ImportUsers((error, answer) => (error ? reject(error) : resolve(answer)));
    for (const [username, password_hash] of rows) call.write({ username, password_hash });
    call.end();
  });
}

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// The answers of a call, to be taken one by one: `(await answers.next()).value`, or all that is left by `all`.
const answersOf = (call) => call[Symbol.asyncIterator]();

const names = (users) => users.map((user) => user.username);
const list = (client, request) => all(client.ListUsers(request)).then(names);
const many = (n) => `many-${String(n).padStart(3, '0')}`;
const count = (n) => Array.from({ length: n }, (_, index) => index);

const checks = {
  async 'right password'(client) {
    const first = (await one(client, 'GetUserUUID', ALICE)).uuid;
    assert.equal((await one(client, 'GetUserUUID', ALICE)).uuid, first);
    assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  },

  async 'wrong password and unknown user look the same'(client) {
    const wrong = await endsWith(status.UNAUTHENTICATED, one(client, 'GetUserUUID', { ...ALICE, password_hash: 'wonderland!' }));
    const unknown = await endsWith(status.UNAUTHENTICATED, one(client, 'GetUserUUID', { ...ALICE, username: 'nobody' }));
    assert.ok(wrong.details);
    assert.equal(wrong.details, unknown.details);
  },

  async 'empty name and empty request'(client) {
    await endsWith(status.INVALID_ARGUMENT, one(client, 'GetUserUUID', { password_hash: 'wonderland' }));
    await endsWith(status.INVALID_ARGUMENT, one(client, 'GetUserUUID', {}));
  },

  async 'register twice'(client) {
    const bob = { username: 'bob', password_hash: 'builder' };
    const thief = { username: 'bob', password_hash: 'thief' };
    const made = (await one(client, 'RegisterUser', bob)).uuid;
    await endsWith(status.ALREADY_EXISTS, one(client, 'RegisterUser', thief));
    assert.equal((await one(client, 'GetUserUUID', bob)).uuid, made);
    await endsWith(status.UNAUTHENTICATED, one(client, 'GetUserUUID', thief));
  },

  async 'register what cannot be'(client) {
    for (const [username, password_hash, reason] of [['carol', '', 'empty'], ['ca\nrol', 'x', 'control'], ['c'.repeat(129), 'x', '129 bytes']]) {
      const error = await endsWith(status.INVALID_ARGUMENT, one(client, 'RegisterUser', { username, password_hash }));
      assert.ok(error.details.includes(reason), error.details);
    }
  },

  async 'import with bad rows'(client) {
    const rows = [['dave', 'a'], ['', 'b'], ['ed\tith', 'c'], ['frank', 'd'], ['dave', 'e'], ['grace', '']];
    const summary = await importUsers(client, rows);
    assert.deepEqual([summary.imported, summary.already_there], [2, 1]);
    assert.deepEqual(summary.rejected.map((bad) => bad.row), [2, 3, 6]);
    assert.ok(summary.rejected[1].reason.includes('control'));
    assert.ok((await one(client, 'GetUserUUID', { username: 'dave', password_hash: 'a' })).uuid);
    assert.deepEqual(await list(client, { prefix: 'grace' }), []);
  },

  async 'import of nothing'(client) {
    assert.deepEqual(await importUsers(client, []), { rejected: [], imported: 0, already_there: 0 });
  },

  async 'import of more than two batches'(client) {
    const summary = await importUsers(client, count(260).map((n) => [many(n), String(n)]));
    assert.deepEqual(summary, { rejected: [], imported: 260, already_there: 0 });
  },

  async 'import that is cancelled leaves nothing'(client) {
    let call;
    const outcome = new Promise((resolve, reject) => {
      call = client.ImportUsers((error, answer) => (error ? reject(error) : resolve(answer)));
    });
    // Node.js ends the stream when it cancels, and the reset comes right behind. So many rows that their hashes are still being made then.
    for (const n of count(80)) call.write({ username: `gone-${n}`, password_hash: 'x' });
    setTimeout(() => call.cancel(), 200);
    await endsWith(status.CANCELLED, outcome);
    assert.deepEqual(await list(client, { prefix: 'gone-' }), []);
  },

  async 'list of more than a page in order'(client) {
    const users = await all(client.ListUsers({ prefix: 'many-' }));
    assert.deepEqual(names(users), count(260).map(many));
    assert.equal(new Set(users.map((user) => user.uuid)).size, 260);
  },

  async 'list with a limit and of nobody'(client) {
    assert.deepEqual(await list(client, { limit: 2 }), ['alice', 'bob']);
    assert.deepEqual(await list(client, { prefix: 'zzz' }), []);
  },

  async 'list that is cancelled'(client) {
    const call = client.ListUsers({});
    const users = answersOf(call);
    assert.equal((await users.next()).value.username, 'alice');
    call.cancel();
    // The rest may have come before.
    await all(users).catch((error) => assert.equal(error.code, status.CANCELLED));
    assert.deepEqual(await list(client, { limit: 1 }), ['alice']);
  },

  // Each name is sent only after the last answer: nothing may wait for more to send together.
  async 'resolve in turns'(client) {
    const call = client.ResolveUsers({ deadline: Date.now() + 60_000 });
    const answers = answersOf(call);
    for (const n of count(100)) {
      call.write({ username: n % 2 === 0 ? many(n) : 'nobody' });
      assert.equal(Boolean((await answers.next()).value.uuid), n % 2 === 0);
    }
    call.end();
    assert.deepEqual(await all(answers), []);
  },

  async 'resolve a thousand in order'(client) {
    const call = client.ResolveUsers();
    const asked = count(1000).map((n) => many(n % 300));
    for (const username of asked) call.write({ username });
    call.end();
    const answers = await all(call);
    assert.deepEqual(names(answers), asked);
    assert.deepEqual(answers.map((answer) => Boolean(answer.uuid)), count(1000).map((n) => n % 300 < 260));
  },

  async 'deadline that has passed'(client) {
    await endsWith(status.DEADLINE_EXCEEDED, one(client, 'GetUserUUID', ALICE, { deadline: Date.now() }));
  },

  async 'deadline of a held stream'(client) {
    const call = client.ResolveUsers({ deadline: Date.now() + 1000 });
    call.write({ username: 'alice' });
    const answers = answersOf(call);
    assert.equal((await answers.next()).value.username, 'alice');
    await endsWith(status.DEADLINE_EXCEEDED, all(answers));
  },

  async 'cancel of a unary call'(client) {
    let call;
    const outcome = new Promise((resolve, reject) => {
      call = client.GetUserUUID(ALICE, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
    setTimeout(() => call.cancel(), 1);
    // The answer may win the race; what may not come is any other ending.
    await outcome.catch((error) => assert.equal(error.code, status.CANCELLED));
  },

  async 'cancel of a held stream'(client) {
    const call = client.ResolveUsers();
    call.write({ username: 'alice' });
    const answers = answersOf(call);
    assert.equal((await answers.next()).value.username, 'alice');
    call.cancel();
    await endsWith(status.CANCELLED, all(answers));
  },

  async 'metadata of every kind is taken'(client) {
    const metadata = new grpc.Metadata();
    metadata.add('x-text', 'one');
    metadata.add('x-text', 'two, three');
    metadata.add('x-bytes-bin', Buffer.from([0, 255, 44]));
    metadata.add('x-empty', '');
    metadata.add('x-long', 'y'.repeat(4000));
    const call = client.GetUserUUID(ALICE, metadata, () => {});
    const headers = new Promise((resolve) => call.once('metadata', resolve));
    const { code, details, metadata: trailers } = await new Promise((resolve) => call.once('status', resolve));
    assert.deepEqual([code, details], [status.OK, '']);
    // The service has none of its own; grpc-js shows what HTTP/2 carries beside.
    const own = (map) => Object.keys(map).filter((key) => !['content-type', 'date', 'grpc-status', 'grpc-accept-encoding'].includes(key));
    assert.deepEqual([own((await headers).getMap()), own(trailers.getMap())], [[], []]);
  },

  async 'metadata beyond the limit fails its own call only'(client) {
    const neighbour = client.ResolveUsers();
    neighbour.write({ username: 'alice' });
    const answers = answersOf(neighbour);
    await answers.next();
    const metadata = new grpc.Metadata();
    metadata.add('x-long', 'y'.repeat(20_000));
    await assert.rejects(one(client, 'GetUserUUID', ALICE, metadata));
    neighbour.end();
    assert.deepEqual(await all(answers), []);
  },

  async 'a request beyond the limit is refused'(client) {
    await endsWith(status.RESOURCE_EXHAUSTED, one(client, 'GetUserUUID', { username: 'x'.repeat(2000) }));
    assert.ok((await one(client, 'GetUserUUID', ALICE)).uuid);
  },

  async 'a compressed request is refused'() {
    const client = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
    const request = { username: 'x'.repeat(100), password_hash: 'y'.repeat(100) };
    const error = await endsWith(status.UNIMPLEMENTED, one(client, 'GetUserUUID', request));
    client.close();
    assert.ok(error.details.includes('gzip'), error.details);
  },

  async 'an unknown method is unimplemented'(client) {
    const { requestSerialize, responseDeserialize } = UserService.service.GetUserUUID;
    const call = new Promise((resolve, reject) => {
      const done = (error, answer) => (error ? reject(error) : resolve(answer));
      client.makeUnaryRequest('/UserService/Nothing', requestSerialize, responseDeserialize, ALICE, done);
    });
    const error = await endsWith(status.UNIMPLEMENTED, call);
    assert.ok(error.details.includes('Nothing'), error.details);
  },

  async 'many at once and all the same'(client) {
    const answers = await Promise.all(count(20).map(() => one(client, 'GetUserUUID', ALICE)));
    assert.equal(new Set(answers.map((answer) => answer.uuid)).size, 1);
  },
};

const client = connect();
run(checks, client).finally(() => client.close());
