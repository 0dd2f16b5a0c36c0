package org.repbnn.sample;

import android.content.ContentResolver;
import android.content.res.AssetManager;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.Matrix;
import android.media.ExifInterface;
import android.net.Uri;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Pictures out of the assets and out of other apps, never larger than the screen can use. */
final class Pictures {
    private static final String FOLDER = "pictures";
    private static final int LARGEST_SIDE = 1024;

    private Pictures() {}

    /** Asset names of the examples, in their order. */
    static List<String> examples(AssetManager assets) throws IOException {
        String[] names = assets.list(FOLDER);
        if (names == null) return new ArrayList<>();
        Arrays.sort(names);
        List<String> examples = new ArrayList<>();
        for (String name : names) examples.add(FOLDER + "/" + name);
        return examples;
    }

    /** "pictures/0-cat.jpg" is "cat". */
    static String nameOf(String example) {
        String file = example.substring(example.lastIndexOf('/') + 1);
        int dot = file.lastIndexOf('.');
        String stem = dot > 0 ? file.substring(0, dot) : file;
        return stem.substring(stem.indexOf('-') + 1);
    }

    /** An example. */
    static Bitmap example(AssetManager assets, String name) throws IOException {
        try (InputStream stream = assets.open(name)) {
            return decoded(stream, new BitmapFactory.Options());
        }
    }

    /** A picture that another app handed over: upright, and scaled down while it is read. */
    static Bitmap shared(ContentResolver resolver, Uri uri) throws IOException {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inJustDecodeBounds = true;
        try (InputStream stream = opened(resolver, uri)) {
            BitmapFactory.decodeStream(stream, null, options);
        }
        options.inJustDecodeBounds = false;
        options.inSampleSize = 1;
        while (Math.max(options.outWidth, options.outHeight) / options.inSampleSize > 2 * LARGEST_SIDE) {
            options.inSampleSize *= 2;
        }
        Bitmap picture;
        try (InputStream stream = opened(resolver, uri)) {
            picture = decoded(stream, options);
        }
        return upright(picture, rotation(resolver, uri));
    }

    private static int rotation(ContentResolver resolver, Uri uri) {
        try (InputStream stream = opened(resolver, uri)) {
            ExifInterface facts = new ExifInterface(stream);
            int orientation = facts.getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL);
            switch (orientation) {
                case ExifInterface.ORIENTATION_ROTATE_90:
                    return 90;
                case ExifInterface.ORIENTATION_ROTATE_180:
                    return 180;
                case ExifInterface.ORIENTATION_ROTATE_270:
                    return 270;
                default:
                    return 0;
            }
        } catch (IOException formatWithoutExif) {
            return 0;
        }
    }

    private static InputStream opened(ContentResolver resolver, Uri uri) throws IOException {
        InputStream stream = resolver.openInputStream(uri);
        if (stream == null) throw new IOException("nothing behind " + uri);
        return stream;
    }

    private static Bitmap decoded(InputStream stream, BitmapFactory.Options options) throws IOException {
        Bitmap picture = BitmapFactory.decodeStream(stream, null, options);
        if (picture == null) throw new IOException("no picture");
        return picture;
    }

    private static Bitmap upright(Bitmap picture, int degrees) {
        if (degrees == 0) return picture;
        Matrix turn = new Matrix();
        turn.postRotate(degrees);
        return Bitmap.createBitmap(picture, 0, 0, picture.getWidth(), picture.getHeight(), turn, true);
    }
}
