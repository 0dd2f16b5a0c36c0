package org.repbnn;

import android.graphics.Bitmap;

/**
 * Pictures of any size as the pixels that a network was evaluated on: scaled so that the centre crop of the input's
 * size is 0.875 of the short side, bilinear with antialiasing, in the fixed-point arithmetic of Python's Pillow. So an
 * app and `repbnn-edge eval` see the same bytes. A picture of the input's size is taken as it is.
 */
final class PictureScaler {
    private static final double CROP = 0.875;
    private static final int PRECISION = 22;
    private static final int CHANNELS = 3;

    private PictureScaler() {}

    /**
     * @return height x width x 3 bytes, RGB; transparency is ignored, as Pillow's convert does.
     * @throws RepBnnException {@code BAD_PICTURE}: recycled.
     */
    static byte[] pixels(Bitmap picture, int height, int width) {
        if (picture.isRecycled()) {
            throw new RepBnnException(RepBnnException.Reason.BAD_PICTURE,
                    "The Bitmap is recycled, so keep it until classify returns.");
        }
        Bitmap readable = picture;
        // HARDWARE pixels live on the GPU, and ALPHA_8 has no colours to read.
        if (picture.getConfig() != Bitmap.Config.ARGB_8888) {
            readable = picture.copy(Bitmap.Config.ARGB_8888, false);
            if (readable == null) {
                throw new RepBnnException(RepBnnException.Reason.BAD_PICTURE, "The Bitmap's configuration "
                        + picture.getConfig() + " cannot be read, so copy it to ARGB_8888 first.");
            }
        }
        byte[] pixels = scale(readable, height, width);
        if (readable != picture) readable.recycle();
        return pixels;
    }

    private static byte[] scale(Bitmap picture, int height, int width) {
        int rows = picture.getHeight();
        int columns = picture.getWidth();
        if (rows == height && columns == width) {
            Taps same = new Taps(columns, columns, 0, columns);
            return horizontal(picture, same, 0, rows);
        }
        double factor = Math.max(height / CROP / rows, width / CROP / columns);
        int wide = Math.max((int) Math.rint(columns * factor), width);
        int high = Math.max((int) Math.rint(rows * factor), height);
        Taps across = new Taps(columns, wide, (wide - width) / 2, width);
        Taps down = new Taps(rows, high, (high - height) / 2, height);
        int first = down.start[0];
        int last = down.start[height - 1] + down.weights[height - 1].length;
        return vertical(horizontal(picture, across, first, last), down, first, width);
    }

    /** Rows first..last of the picture, each as wide as the output. One row of it is in memory at a time. */
    private static byte[] horizontal(Bitmap picture, Taps taps, int first, int last) {
        int[] row = new int[picture.getWidth()];
        int width = taps.start.length;
        byte[] result = new byte[(last - first) * width * CHANNELS];
        int at = 0;
        for (int y = first; y < last; y++) {
            picture.getPixels(row, 0, row.length, 0, y, row.length, 1);
            for (int x = 0; x < width; x++) {
                int[] weights = taps.weights[x];
                int red = 1 << (PRECISION - 1);
                int green = red;
                int blue = red;
                for (int k = 0; k < weights.length; k++) {
                    int pixel = row[taps.start[x] + k];
                    red += ((pixel >> 16) & 0xff) * weights[k];
                    green += ((pixel >> 8) & 0xff) * weights[k];
                    blue += (pixel & 0xff) * weights[k];
                }
                result[at++] = clip(red);
                result[at++] = clip(green);
                result[at++] = clip(blue);
            }
        }
        return result;
    }

    private static byte[] vertical(byte[] rows, Taps taps, int first, int width) {
        int stride = width * CHANNELS;
        byte[] result = new byte[taps.start.length * stride];
        for (int y = 0; y < taps.start.length; y++) {
            int[] weights = taps.weights[y];
            for (int x = 0; x < stride; x++) {
                int sum = 1 << (PRECISION - 1);
                for (int k = 0; k < weights.length; k++) {
                    sum += (rows[(taps.start[y] + k - first) * stride + x] & 0xff) * weights[k];
                }
                result[y * stride + x] = clip(sum);
            }
        }
        return result;
    }

    private static byte clip(int sum) {
        return (byte) Math.max(0, Math.min(255, sum >> PRECISION));
    }

    /** For each output position of a crop, the input positions that it is a mean of. */
    private static final class Taps {
        final int[] start;
        final int[][] weights;

        Taps(int from, int to, int skip, int count) {
            start = new int[count];
            weights = new int[count][];
            double step = (double) from / to;
            double reach = Math.max(step, 1);
            for (int i = 0; i < count; i++) {
                double centre = (i + skip + 0.5) * step;
                int low = Math.max((int) (centre - reach + 0.5), 0);
                int high = Math.min((int) (centre + reach + 0.5), from);
                double[] shares = new double[high - low];
                double sum = 0;
                for (int k = 0; k < shares.length; k++) {
                    shares[k] = Math.max(1 - Math.abs((k + low - centre + 0.5) / reach), 0);
                    sum += shares[k];
                }
                start[i] = low;
                weights[i] = new int[shares.length];
                for (int k = 0; k < shares.length; k++) {
                    weights[i][k] = (int) (0.5 + shares[k] / sum * (1 << PRECISION));
                }
            }
        }
    }
}
