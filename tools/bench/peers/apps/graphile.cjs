// Graphile Worker on PostgreSQL, with the batching that its page on performance measures.
"use strict";

const { makeWorkerUtils, run } = require("graphile-worker");
const { main, note, url } = require("./ground.cjs");

const worker = {
  connectionString: url,
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

let utils;

main({
  async begin() {
    utils = await makeWorkerUtils({ connectionString: url });
    await utils.migrate();
  },
  one(number) {
    return utils.addJob("noted", { number });
  },
  many(numbers) {
    return utils.addJobs(numbers.map((number) => ({ identifier: "noted", payload: { number } })));
  },
  async worker() {
    const taskList = { noted: async (payload) => note(payload.number) };
    await run({ preset: { worker }, taskList });
  },
});
