package org.repbnn;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;

/**
 * One table of a flatbuffer. Every offset is checked against the buffer before it is followed, so a hostile file ends
 * in {@link Broken} and in nothing else. Slots are numbered from 0, as in the schema.
 */
final class FlatTable {
    private static final Charset UTF_8 = Charset.forName("UTF-8");
    private static final int MAX_TEXT = 1 << 20;

    /** The bytes contradict themselves. */
    static final class Broken extends Exception {
        private static final long serialVersionUID = 1L;

        Broken(String message) {
            super(message);
        }
    }

    private final ByteBuffer bytes;
    private final int position;
    private final int vtable;
    private final int slots;
    private final int size;

    private FlatTable(ByteBuffer bytes, int position) throws Broken {
        this.bytes = bytes;
        this.position = position;
        long start = (long) position - readInt(position);
        if (start < 0 || start > bytes.capacity() - 4) throw new Broken("a table lies outside the file");
        vtable = (int) start;
        int length = readShort(vtable);
        size = readShort(vtable + 2);
        if (length < 4 || length % 2 != 0 || (long) vtable + length > bytes.capacity()) {
            throw new Broken("a table has an impossible length");
        }
        if (size < 4 || (long) position + size > bytes.capacity()) throw new Broken("a table leaves the file");
        slots = (length - 4) / 2;
    }

    /** The root table of {@code bytes}, whose order must be little endian and whose limit its capacity. */
    static FlatTable root(ByteBuffer bytes) throws Broken {
        if (bytes.capacity() < 8) throw new Broken("it ends in its first bytes");
        return new FlatTable(bytes, follow(bytes, 0));
    }

    int intAt(int slot, int otherwise) throws Broken {
        int at = field(slot, 4);
        return at == 0 ? otherwise : bytes.getInt(at);
    }

    int byteAt(int slot, int otherwise) throws Broken {
        int at = field(slot, 1);
        return at == 0 ? otherwise : bytes.get(at);
    }

    /** The table that a slot points to, or null. */
    FlatTable tableAt(int slot) throws Broken {
        int at = field(slot, 4);
        return at == 0 ? null : new FlatTable(bytes, follow(bytes, at));
    }

    /** How many tables a slot's list has; 0 without one. */
    int countAt(int slot) throws Broken {
        int at = vector(slot, 4);
        return at == 0 ? 0 : bytes.getInt(at);
    }

    /** The table at {@code index} of a slot's list. */
    FlatTable itemAt(int slot, int index) throws Broken {
        int at = vector(slot, 4);
        if (at == 0 || index < 0 || index >= bytes.getInt(at)) throw new Broken("it lacks an item of a list");
        return new FlatTable(bytes, follow(bytes, at + 4 + 4 * index));
    }

    /** The text in a slot, or null. */
    String textAt(int slot) throws Broken {
        int at = vector(slot, 1);
        if (at == 0) return null;
        int length = bytes.getInt(at);
        if (length > MAX_TEXT) throw new Broken("a text is longer than 1 MB");
        byte[] text = new byte[length];
        ByteBuffer view = bytes.duplicate();
        view.position(at + 4);
        view.get(text);
        return new String(text, UTF_8);
    }

    /** The 32-bit numbers in a slot; null without them. */
    int[] intsAt(int slot) throws Broken {
        int at = vector(slot, 4);
        if (at == 0) return null;
        int[] values = new int[bytes.getInt(at)];
        for (int i = 0; i < values.length; i++) values[i] = bytes.getInt(at + 4 + 4 * i);
        return values;
    }

    /** The 32-bit floats in a slot; null without them. */
    float[] floatsAt(int slot) throws Broken {
        int[] bits = intsAt(slot);
        if (bits == null) return null;
        float[] values = new float[bits.length];
        for (int i = 0; i < values.length; i++) values[i] = Float.intBitsToFloat(bits[i]);
        return values;
    }

    /** The bytes in a slot as a buffer of their own, little endian; null without them. */
    ByteBuffer bytesAt(int slot) throws Broken {
        int at = vector(slot, 1);
        if (at == 0) return null;
        ByteBuffer view = bytes.duplicate();
        view.position(at + 4);
        view.limit(at + 4 + bytes.getInt(at));
        return view.slice().order(bytes.order());
    }

    /** Where a slot's value of {@code width} bytes stands, or 0. */
    private int field(int slot, int width) throws Broken {
        if (slot >= slots) return 0;
        int offset = readShort(vtable + 4 + 2 * slot);
        if (offset == 0) return 0;
        if (offset < 4 || offset + width > size) throw new Broken("a field lies outside its table");
        return position + offset;
    }

    /** Where a slot's vector has its count, checked to lie in the file with all of its elements; or 0. */
    private int vector(int slot, int element) throws Broken {
        int at = field(slot, 4);
        if (at == 0) return 0;
        int start = follow(bytes, at);
        long count = bytes.getInt(start) & 0xffffffffL;
        if (start + 4 + count * element > bytes.capacity()) throw new Broken("a list is longer than the file");
        return start;
    }

    private static int follow(ByteBuffer bytes, int at) throws Broken {
        long target = at + (bytes.getInt(at) & 0xffffffffL);
        if (target == at || target > bytes.capacity() - 4) throw new Broken("an offset leaves the file");
        return (int) target;
    }

    private int readInt(int at) throws Broken {
        if (at < 0 || at > bytes.capacity() - 4) throw new Broken("an offset leaves the file");
        return bytes.getInt(at);
    }

    private int readShort(int at) throws Broken {
        if (at < 0 || at > bytes.capacity() - 2) throw new Broken("an offset leaves the file");
        return bytes.getShort(at) & 0xffff;
    }
}
