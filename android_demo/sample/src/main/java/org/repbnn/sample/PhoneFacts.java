package org.repbnn.sample;

import android.app.ActivityManager;
import android.content.Context;
import android.os.Build;
import android.os.PowerManager;
import android.system.Os;
import android.system.OsConstants;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** What this phone is, and what state it is in: read, never changed. Nothing in it tells one phone from its like. */
final class PhoneFacts {
    private static final String CPU = "/sys/devices/system/cpu/cpu";
    private static final List<String> EMULATORS = Arrays.asList("goldfish", "ranchu");

    private PhoneFacts() {}

    /** The fields of a bench report's device; null where the phone does not say. */
    static JSONObject device(Context context) throws JSONException {
        JSONArray cores = new JSONArray();
        for (int id = 0; id < Runtime.getRuntime().availableProcessors(); id++) {
            cores.put(new JSONObject()
                    .put("id", id)
                    .put("max_khz", orNull(maxKilohertz(id)))
                    .put("governor", orNull(firstLine(CPU + id + "/cpufreq/scaling_governor"))));
        }
        return new JSONObject()
                .put("transport", "app")
                .put("id_hash", JSONObject.NULL)
                .put("model", name())
                .put("soc_model", orNull(chip()))
                .put("abi", "android-" + Build.SUPPORTED_ABIS[0])
                .put("android_sdk", Build.VERSION.SDK_INT)
                .put("kernel", orNull(System.getProperty("os.version")))
                .put("page_size_bytes", pageBytes())
                .put("total_ram_bytes", memoryBytes(context))
                .put("cpu_features", new JSONArray())
                .put("cores", cores);
    }

    /** What can slow a measurement down. */
    static JSONObject state(Context context) throws JSONException {
        PowerManager power = (PowerManager) context.getSystemService(Context.POWER_SERVICE);
        JSONObject state = new JSONObject().put("low_power_mode", power.isPowerSaveMode());
        if (Build.VERSION.SDK_INT >= 29) state.put("thermal_status", power.getCurrentThermalStatus());
        return state;
    }

    static boolean isEmulated() {
        return EMULATORS.contains(Build.HARDWARE) || Build.HARDWARE.startsWith("cutf");
    }

    static String name() {
        String maker = Build.MANUFACTURER;
        if (maker.isEmpty() || Build.MODEL.startsWith(maker)) return Build.MODEL;
        return Character.toUpperCase(maker.charAt(0)) + maker.substring(1) + " " + Build.MODEL;
    }

    /** The system on a chip; null where the phone does not say. */
    static String chip() {
        if (Build.VERSION.SDK_INT >= 31 && !Build.UNKNOWN.equals(Build.SOC_MODEL)) {
            return Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL;
        }
        return Build.UNKNOWN.equals(Build.HARDWARE) ? null : Build.HARDWARE;
    }

    static long pageBytes() {
        return Os.sysconf(OsConstants._SC_PAGESIZE);
    }

    static long memoryBytes(Context context) {
        ActivityManager.MemoryInfo info = new ActivityManager.MemoryInfo();
        ((ActivityManager) context.getSystemService(Context.ACTIVITY_SERVICE)).getMemoryInfo(info);
        return info.totalMem;
    }

    /** The highest clock of a core; null where the phone does not say. */
    static Long maxKilohertz(int core) {
        String text = firstLine(CPU + core + "/cpufreq/cpuinfo_max_freq");
        try {
            return text == null ? null : Long.valueOf(text);
        } catch (NumberFormatException odd) {
            return null;
        }
    }

    private static Object orNull(Object value) {
        return value == null ? JSONObject.NULL : value;
    }

    private static String firstLine(String path) {
        if (!new File(path).canRead()) return null;
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(new FileInputStream(path), "UTF-8"))) {
            String line = reader.readLine();
            return line == null ? null : line.trim();
        } catch (IOException unreadable) {
            return null;
        }
    }
}
