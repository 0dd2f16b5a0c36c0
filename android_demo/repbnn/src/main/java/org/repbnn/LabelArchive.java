package org.repbnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * The ZIP that TFLite's metadata writers append behind a flatbuffer, read in place: one text file by its name, stored
 * or deflated, at most 16 MB.
 */
final class LabelArchive {
    private static final Charset UTF_8 = Charset.forName("UTF-8");
    private static final int END_MARK = 0x06054b50;
    private static final int ENTRY_MARK = 0x02014b50;
    private static final int LOCAL_MARK = 0x04034b50;
    private static final int END_SIZE = 22;
    private static final int ENTRY_SIZE = 46;
    private static final int LOCAL_SIZE = 30;
    private static final int MAX_COMMENT = 0xffff;
    private static final int MAX_TEXT = 16 << 20;

    private final ByteBuffer file;

    LabelArchive(ByteBuffer file) {
        this.file = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The lines of the file called {@code name}; null where there is none. */
    List<String> lines(String name) throws FlatTable.Broken {
        int end = findEnd();
        if (end < 0) return null;
        int at = file.getInt(end + 16);
        int count = file.getShort(end + 10) & 0xffff;
        for (int i = 0; i < count; i++) {
            need(at, ENTRY_SIZE);
            if (file.getInt(at) != ENTRY_MARK) throw new FlatTable.Broken("the ZIP behind it is broken");
            int nameLength = file.getShort(at + 28) & 0xffff;
            need(at + ENTRY_SIZE, nameLength);
            if (text(at + ENTRY_SIZE, nameLength).equals(name)) return split(content(at));
            long next = at + (long) ENTRY_SIZE + nameLength + (file.getShort(at + 30) & 0xffff)
                    + (file.getShort(at + 32) & 0xffff);
            if (next > file.capacity()) throw new FlatTable.Broken("the ZIP behind it is cut off");
            at = (int) next;
        }
        return null;
    }

    private int findEnd() {
        int last = file.capacity() - END_SIZE;
        for (int at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
            if (file.getInt(at) == END_MARK) return at;
        }
        return -1;
    }

    private byte[] content(int entry) throws FlatTable.Broken {
        int method = file.getShort(entry + 10);
        long packed = file.getInt(entry + 20) & 0xffffffffL;
        long size = file.getInt(entry + 24) & 0xffffffffL;
        int local = file.getInt(entry + 42);
        need(local, LOCAL_SIZE);
        if (file.getInt(local) != LOCAL_MARK) throw new FlatTable.Broken("the ZIP behind it is broken");
        long start = local + (long) LOCAL_SIZE + (file.getShort(local + 26) & 0xffff)
                + (file.getShort(local + 28) & 0xffff);
        if (size > MAX_TEXT) throw new FlatTable.Broken("its labels take more than 16 MB");
        need(start, packed);
        byte[] data = new byte[(int) packed];
        ByteBuffer view = file.duplicate();
        view.position((int) start);
        view.get(data);
        if (method == 0 && packed == size) return data;
        if (method == 8) return inflate(data, (int) size);
        throw new FlatTable.Broken("its labels are packed in a way that is not known here");
    }

    private static byte[] inflate(byte[] data, int size) throws FlatTable.Broken {
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(data);
            byte[] whole = new byte[size];
            int done = 0;
            while (done < size) {
                int got = inflater.inflate(whole, done, size - done);
                if (got == 0) throw new FlatTable.Broken("its labels are cut off");
                done += got;
            }
            return whole;
        } catch (DataFormatException error) {
            throw new FlatTable.Broken("its labels are no deflated data");
        } finally {
            inflater.end();
        }
    }

    private static List<String> split(byte[] content) {
        String[] lines = new String(content, UTF_8).split("\r\n|\n|\r", -1);
        int count = lines.length > 0 && lines[lines.length - 1].isEmpty() ? lines.length - 1 : lines.length;
        List<String> labels = new ArrayList<>(count);
        for (int i = 0; i < count; i++) labels.add(lines[i]);
        return labels;
    }

    private String text(int at, int length) {
        byte[] bytes = new byte[length];
        ByteBuffer view = file.duplicate();
        view.position(at);
        view.get(bytes);
        return new String(bytes, UTF_8);
    }

    private void need(long at, long size) throws FlatTable.Broken {
        if (at < 0 || at + size > file.capacity()) throw new FlatTable.Broken("the ZIP behind it is cut off");
    }
}
