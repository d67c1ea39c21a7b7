// Reads lines of JSON with the classes that openapi-generator made, and writes them back with Gson.

import com.google.gson.GsonBuilder
import com.google.gson.JsonObject

fun main() {
    val gson = GsonBuilder().serializeNulls().create()
    while (true) {
        val line = readLine() ?: return
        val (name, value) = gson.fromJson(line, JsonObject::class.java).entrySet().single()
        val type = Class.forName("org.openapitools.client.models.$name")
        val written = JsonObject()
        written.add(name, gson.toJsonTree(gson.fromJson(value, type)))
        println(written)
    }
}
