// Small pictures of large photos. A photo of 40 megapixels is decoded off the page's thread, once, and let go.

const THUMBNAIL_PX = 160;
const PREVIEW_PX = 1600;
/** Models look at 384 px; this leaves them all they use. */
const READABLE_PX = 2048;

/** Width and height as shown; null where the browser cannot decode the photo. */
async function sizeOf(blob) {
  const href = URL.createObjectURL(blob);
  try {
    const image = new Image();
    image.src = href;
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
    });
    return image.naturalWidth > 0 ? [image.naturalWidth, image.naturalHeight] : null;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(href);
  }
}

/** `{ width, height, url }` of a thumbnail, or null where the browser cannot decode the photo. */
export async function thumbnailOf(blob) {
  const size = await sizeOf(blob);
  if (!size) return null;
  const url = await shrunk(blob, size, THUMBNAIL_PX).catch(() => null);
  return url && { width: size[0], height: size[1], url };
}

/** The address of the photo at the size of the stage. */
export function previewOf(blob, size) {
  return shrunk(blob, size, PREVIEW_PX);
}

async function shrunk(blob, [width, height], side) {
  const bitmap = await shrink(blob, width, height, side);
  return URL.createObjectURL(await toBlob(bitmap, "image/jpeg"));
}

/** The photo as PNG, for what the browser decodes and the engine does not (AVIF, HEIC); rejects where neither does. */
export async function toPng(blob) {
  const size = await sizeOf(blob);
  const bitmap = size ? await shrink(blob, ...size, READABLE_PX) : await createImageBitmap(blob);
  return toBlob(bitmap, "image/png");
}

function shrink(source, width, height, side) {
  const scale = side / Math.max(width, height);
  if (scale >= 1) return createImageBitmap(source);
  return createImageBitmap(source, {
    resizeWidth: Math.max(1, Math.round(width * scale)),
    resizeHeight: Math.max(1, Math.round(height * scale)),
    resizeQuality: "medium",
  });
}

function toBlob(bitmap, type) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  if (type === "image/jpeg") {
    // Transparent parts would turn black.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), type, 0.9);
  });
}
