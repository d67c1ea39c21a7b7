// janus-whep-server behind the addresses and the token that the protocol has; prints a JSON line for each call.
import express from "express";
import {JanusWhepServer} from "janus-whep-server";

const [janus, token] = process.argv.slice(2);
const say = (...what) => console.log(JSON.stringify(what));
const app = express();
app.get("/config", (_, answer) => answer.json({iceServers: []}));
app.use("/live", (request, answer, next) => {
  say(request.method, request.path);
  if (request.method === "POST") {
    if (request.query.token !== token) return answer.status(401).json({detail: "wrong token"});
    request.url = request.url.replace("/stream/whep", "/endpoint/stream");
  }
  return next();
});
const whep = new JanusWhepServer({janus: {address: janus}, rest: {app, basePath: "/live"}});
await whep.start();
whep.createEndpoint({id: "stream", mountpoint: 1});
const server = app.listen(0, "127.0.0.1", () => say("listening", server.address().port));
