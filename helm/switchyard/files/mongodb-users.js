// Makes the replica set and its two users, once. MongoDB lets a client on localhost do so while it has no user.
// rs.initiate refuses members that hold data, so that a first member which lost its disk makes no second set.
const { readFileSync } = require("fs");
const secret = (name) => readFileSync(`/secrets/${name}`, "utf8").trim();
const admin = db.getSiblingDB("admin");

function logsIn() {
  try {
    return admin.auth("root", secret("mongodbRoot")).ok === 1;
  } catch (error) {
    return false;
  }
}

if (!logsIn()) {
  if (!db.hello().setName) {
    const members = process.env.MEMBERS.split(",").map((host, number) => ({ _id: number, host }));
    rs.initiate({ _id: process.env.REPLICA_SET, members });
  }
  for (let seconds = 0; !db.hello().isWritablePrimary; seconds++) {
    if (seconds === 60) throw new Error("this member is not the primary after 60 s");
    sleep(1000);
  }
  admin.createUser({ user: "root", pwd: secret("mongodbRoot"), roles: ["root"] });
  admin.auth("root", secret("mongodbRoot"));
}
// A member that is not the primary has nothing to make: the set, and its users, were there before it started.
if (db.hello().isWritablePrimary && !admin.getUser(process.env.LOGIN)) {
  const roles = [{ role: "readWrite", db: process.env.DATABASE }];
  admin.createUser({ user: process.env.LOGIN, pwd: secret("mongodb"), roles });
}
