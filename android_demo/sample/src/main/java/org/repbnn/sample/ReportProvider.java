package org.repbnn.sample;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;

/** Hands one file, the last report, to the app that the user shares it with; a report is too long for an Intent. */
public final class ReportProvider extends ContentProvider {
    private static final String AUTHORITY = "org.repbnn.sample.reports";
    private static final String NAME = "repbnn-bench.json";
    static final String TYPE = "application/json";

    /** Keeps a report and gives the address that another app can be granted. */
    static Uri keep(Context context, String report) throws IOException {
        try (OutputStream stream = new FileOutputStream(file(context))) {
            stream.write(report.getBytes("UTF-8"));
        }
        return new Uri.Builder().scheme("content").authority(AUTHORITY).path(NAME).build();
    }

    private static File file(Context context) {
        return new File(context.getCacheDir(), NAME);
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        requireOurs(uri);
        if (!"r".equals(mode)) throw new FileNotFoundException("reports are for reading");
        return ParcelFileDescriptor.open(file(getContext()), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    @Override
    public Cursor query(Uri uri, String[] projection, String selection, String[] arguments, String order) {
        MatrixCursor cursor = new MatrixCursor(new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE});
        cursor.addRow(new Object[] {NAME, file(getContext()).length()});
        return cursor;
    }

    private static void requireOurs(Uri uri) throws FileNotFoundException {
        if (!("/" + NAME).equals(uri.getPath())) throw new FileNotFoundException("there is no " + uri);
    }

    @Override
    public String getType(Uri uri) {
        return TYPE;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException("reports are for reading");
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        throw new UnsupportedOperationException("reports are for reading");
    }

    @Override
    public int update(Uri uri, ContentValues values, String selection, String[] arguments) {
        throw new UnsupportedOperationException("reports are for reading");
    }
}
