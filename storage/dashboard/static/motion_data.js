/* A motion's numbers as the viewers want them: typed arrays, values between two frames, distances. */

const FOLLOW_S = 1.2;

/** From `/api/arrays`: joints in metres, y up; `joints` is null where a motion has no 3D. */
export function motionData(answer) {
  const joints = answer.joints3d ? Float32Array.from(answer.joints3d, (value) => value ?? NaN) : null;
  const count = answer.joint_names.length;
  const frames = joints ? joints.length / (count * 3) : answer.joint_mask.length / count;
  return {
    fps: answer.fps, frames, count, joints,
    duration: Math.max(frames - 1, 0) / answer.fps,
    names: answer.joint_names, parents: answer.parents,
    bones: answer.parents.map((parent, joint) => [parent, joint]).filter(([parent]) => parent >= 0),
    confidence: answer.joint_confidence, error: answer.joint_error, mask: answer.joint_mask,
    azimuth: answer.view_azimuth_deg ?? 0,
    targets: joints && softTargets(joints, count, answer.fps),
    overlay: answer.overlay,
  };
}

/** (count * 3) joints at a time, blended between the two frames beside it. */
export function poseAt(motion, time, into) {
  const { now, next, share } = between(motion, time);
  const size = motion.count * 3;
  for (let n = 0; n < size; n++) {
    const a = motion.joints[now * size + n];
    into[n] = a + (motion.joints[next * size + n] - a) * share;
  }
  return into;
}

/** What a camera looks at then: [x, y, z]. */
export function targetAt(motion, time) {
  const { now, next, share } = between(motion, time);
  return [0, 1, 2].map((axis) => {
    const a = motion.targets[now * 3 + axis];
    return a + (motion.targets[next * 3 + axis] - a) * share;
  });
}

export function frameAt(motion, time) {
  return Math.min(Math.max(Math.round(time * motion.fps), 0), motion.frames - 1);
}

/** How far from its target a body ever reaches, metres. */
export function reachOf(motion) {
  let far = 0.9;
  for (let t = 0; t < motion.frames; t++) {
    for (let j = 0; j < motion.count; j++) {
      const at = (t * motion.count + j) * 3;
      const away = [0, 1, 2].map((axis) => motion.joints[at + axis] - motion.targets[t * 3 + axis]);
      const reach = Math.hypot(...away);
      if (reach > far) far = reach;
    }
  }
  return far + 0.12;
}

/** Per joint, the mean distance of two motions over the frames that both have, roots laid together; metres. */
export function jointDistances(one, two) {
  const frames = Math.min(Math.floor(one.duration * 20), Math.floor(two.duration * 20)) + 1;
  const sums = new Array(one.count).fill(0);
  const a = new Float32Array(one.count * 3);
  const b = new Float32Array(two.count * 3);
  for (let t = 0; t < frames; t++) {
    poseAt(one, t / 20, a);
    poseAt(two, t / 20, b);
    for (let j = 0; j < one.count; j++) {
      sums[j] += Math.hypot(...[0, 1, 2].map((axis) => a[j * 3 + axis] - a[axis] - b[j * 3 + axis] + b[axis]));
    }
  }
  return sums.map((sum) => sum / frames);
}

function between(motion, time) {
  const place = Math.min(Math.max(time * motion.fps, 0), motion.frames - 1);
  const now = Math.floor(place);
  return { now, next: Math.min(now + 1, motion.frames - 1), share: place - now };
}

/* The root's ground position and the body's middle height, averaged over time. */
function softTargets(joints, count, fps) {
  const frames = joints.length / (count * 3);
  const wanted = new Float32Array(frames * 3);
  for (let t = 0; t < frames; t++) {
    let low = Infinity;
    let high = -Infinity;
    for (let j = 0; j < count; j++) {
      const y = joints[(t * count + j) * 3 + 1];
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
    wanted.set([joints[t * count * 3], (low + high) / 2, joints[t * count * 3 + 2]], t * 3);
  }
  const soft = new Float32Array(frames * 3);
  for (let t = 0; t < frames; t++) {
    const reach = Math.min(Math.round(FOLLOW_S * fps), t, frames - 1 - t);
    for (let axis = 0; axis < 3; axis++) {
      let sum = 0;
      for (let k = t - reach; k <= t + reach; k++) sum += wanted[k * 3 + axis];
      soft[t * 3 + axis] = sum / (2 * reach + 1);
    }
  }
  return soft;
}
